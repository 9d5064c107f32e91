"""`PackedTable`: values of integers, looked up for many of them at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

_FREE = 0  # in place of a key
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: similar keys get slots far apart
_SLOTS = 4  # for each key, at least


class PackedTable:
    """A hash table with open addressing, in arrays: a `dict` takes several times as long."""

    def __init__(self, keys: Keys, values: Ints, default: int) -> None:
        """Keys are above 0, and differ; any other has the default."""
        self._default = default
        self._shift = np.uint64(64 - (_SLOTS * len(keys) + 1).bit_length())
        slots = self._slots(keys)
        order = np.argsort(slots)
        # Each key is in its own slot or, if that is taken, in the first free one after it.
        ranks = np.arange(len(keys))
        taken = ranks + np.maximum.accumulate(slots[order] - ranks)
        size = 1 + max(1 << 64 - int(self._shift), taken.max(initial=0) + 1)
        self._keys = np.full(size, _FREE, np.uint64)
        self._values = np.full(size, default, np.int32)
        self._keys[taken], self._values[taken] = keys[order], values[order]

    def get(self, keys: Keys) -> Ints:
        """The value of each key."""
        slots = self._slots(keys)
        slot_keys = self._keys[slots]
        values = self._values[slots].astype(np.int64)
        others = np.flatnonzero((slot_keys != keys) & (slot_keys != _FREE))
        values[others] = self._default
        keys, slots = keys[others], slots[others]
        while len(others):  # the slot has another key: the next one may have this
            slots = slots + 1
            slot_keys = self._keys[slots]
            is_key = slot_keys == keys
            values[others[is_key]] = self._values[slots[is_key]]
            goes_on = ~is_key & (slot_keys != _FREE)
            others, keys, slots = others[goes_on], keys[goes_on], slots[goes_on]
        return values

    def _slots(self, keys: Keys) -> Ints:
        return (keys * _SPREAD >> self._shift).astype(np.int64)
