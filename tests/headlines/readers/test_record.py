import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headlines.readers import Record, to_json


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_any_fields_become_strict_json(value: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(to_json({"b": value, "a": 1}), parse_constant=refuse)["a"] == 1


def test_json_of_fields_does_not_depend_on_their_order() -> None:
    assert (
        to_json({"b": 1, "a": b"\xff"}) == to_json({"a": b"\xff", "b": 1}) == '{"a":"/w==","b":1}'
    )


def test_raw_of_a_record_with_lone_surrogates() -> None:
    for text in ("\udcff", "\ud800"):
        record = Record(0, {"title": text})
        assert record.raw.startswith(b'{"title":"')
