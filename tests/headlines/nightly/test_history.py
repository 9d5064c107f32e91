"""The record of a night for the reports of later nights."""

import dataclasses
import logging
from pathlib import Path

import pytest

from headlines.metrics.profile import EMPTY_PROFILE, Profile
from headlines.nightly.history import NightSummary, mark_started, recent_nights, save_night
from headlines.storage.data_root import DataRoot


def profile(rows: int) -> Profile:
    bins = {name: (0,) * (len(counts) - 1) for name, counts in COUNTS.items()}
    return dataclasses.replace(
        EMPTY_PROFILE,
        rows=rows,
        labels={"positive": 0, "neutral": rows, "negative": 0},
        **{name: (rows, *rest) for name, rest in bins.items()},
    )


COUNTS = {name: EMPTY_PROFILE.counts(name) for name in ("confidence", "length", "unknown")}


def keep(root: DataRoot, title: str, rows: int, model: str = "m") -> Path:
    night = NightSummary(model, [], 0, {}, {}, profile(rows), EMPTY_PROFILE, [], [])
    save_night(root, title, night)
    return root.store.directory / root.nightly_reports / f"{title}.json"


def test_recent_nights_that_scored_are_given_in_order(root: DataRoot) -> None:
    for day in (20, 3, 11):
        keep(root, f"2026-11-{day:02}T023000Z", rows=day, model=f"m-{day}")
    keep(root, "2026-11-21T023000Z", rows=0)  # nothing was due

    before = recent_nights(root)

    assert [(night.title, night.model) for night in before] == [
        ("2026-11-03T023000Z", "m-3"), ("2026-11-11T023000Z", "m-11"),
        ("2026-11-20T023000Z", "m-20"),
    ]  # fmt: skip
    assert [night.profile for night in before] == [profile(3), profile(11), profile(20)]


def test_at_most_fourteen_nights_are_given(root: DataRoot) -> None:
    for day in range(1, 21):
        keep(root, f"2026-11-{day:02}T023000Z", rows=day)
    titles = [night.title for night in recent_nights(root)]
    assert titles == [f"2026-11-{day:02}T023000Z" for day in range(7, 21)]


def test_before_the_first_night_there_is_none(root: DataRoot) -> None:
    assert recent_nights(root) == []


@pytest.mark.parametrize(
    ("old", "new"), [("12", "13"), ("{", "["), ('"format": 1', '"format": 2'), ("m", "\x00")]
)
def test_a_damaged_night_is_left_out_with_a_warning(
    root: DataRoot, caplog: pytest.LogCaptureFixture, old: str, new: str
) -> None:
    keep(root, "2026-11-19T023000Z", rows=11)
    damaged = keep(root, "2026-11-20T023000Z", rows=12)
    damaged.write_text(damaged.read_text("utf-8").replace(old, new, 1), "utf-8")

    with caplog.at_level(logging.WARNING):
        before = recent_nights(root)

    assert [night.profile.rows for night in before] == [11]
    assert damaged.name in caplog.text


def test_a_night_without_a_report_is_known_until_one_has_it(root: DataRoot) -> None:
    assert mark_started(root) is None  # killed
    began = mark_started(root)
    assert began is not None
    assert mark_started(root) == began  # killed again: the first one counts
    keep(root, "2026-11-03T023000Z", rows=3)
    assert mark_started(root) is None


def test_a_damaged_note_of_a_night_is_rewritten(
    root: DataRoot, caplog: pytest.LogCaptureFixture
) -> None:
    mark_started(root)
    [note] = root.store.work.glob("night-*")
    note.write_text("yesterday", encoding="ascii")
    assert mark_started(root) is None
    assert "cannot be read" in caplog.text
    assert mark_started(root) is not None
