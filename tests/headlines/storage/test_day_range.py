from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlines.errors import InputError
from headlines.storage.day_range import DayRange, dates_in

FORMS = (
    "{0:%Y-%m-%d}.csv", "{0:%Y%m%d}.csv", "news_{0:%Y%m%d}_2.csv.gz", "date={0:%Y-%m-%d}/a.csv",
    "{0:%Y/%m/%d}/a.csv", "头条{0:%Y_%m_%d}.jsonl", "year={0:%Y}/month={0:%m}/day={0:%d}/a.csv",
)  # fmt: skip

days = st.dates(min_value=date(1900, 1, 1), max_value=date(2099, 12, 31))


@given(days, st.sampled_from(FORMS))
def test_a_day_is_found_in_every_form(day: date, form: str) -> None:
    assert dates_in(form.format(day)) == [day]


@pytest.mark.parametrize(
    "name",
    ["a.csv", "20261399.csv", "2026-02-30.csv", "120261120.csv", "2026-1120.csv", "2026.csv"],
)
def test_other_numbers_are_not_days(name: str) -> None:
    assert dates_in(name) == []


def test_a_name_may_have_two_days() -> None:
    assert dates_in("2026-11-01_2026-11-30.csv") == [date(2026, 11, 1), date(2026, 11, 30)]


@given(days, days, days)
def test_both_ends_are_included(first: date, last: date, day: date) -> None:
    if last < first:
        with pytest.raises(InputError, match="is before the first"):
            DayRange(first, last)
        return
    some = DayRange(first, last)
    assert (day in some) == (first <= day <= last)
    assert first in some
    assert last in some
    assert (day in DayRange(first=first)) == (first <= day)
    assert (day in DayRange(last=last)) == (day <= last)
