from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lstm_model.packed_table import PackedTable

# Small ones, large ones, and many that share a slot.
KEYS = st.integers(1, 20) | st.integers(1, 2**64 - 1) | st.integers(1, 50).map(lambda n: n << 58)


@given(st.dictionaries(KEYS, st.integers(0, 2**31 - 1), max_size=200), st.lists(KEYS, max_size=50))
def test_the_table_has_the_values_of_a_dict(values: dict[int, int], others: list[int]) -> None:
    keys = np.array(list(values), np.uint64)
    table = PackedTable(keys, np.array(list(values.values()), np.int64), -3)
    asked = [*values, *others, 0]
    found = table.get(np.array(asked, np.uint64))
    assert found.tolist() == [values.get(key, -3) for key in asked]
