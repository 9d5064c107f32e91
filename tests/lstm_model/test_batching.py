from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lstm_model.batching import batches


@given(st.lists(st.integers(0, 60), max_size=400), st.integers(1, 20), st.integers(0, 5))
def test_every_row_is_in_one_batch(lengths, size, seed) -> None:
    found = batches(np.array(lengths, dtype=int), size, np.random.default_rng(seed))
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    assert sorted((len(batch) for batch in found), reverse=True) == [
        *[size] * (len(lengths) // size),
        *[len(lengths) % size] * (len(lengths) % size > 0),
    ]


LENGTHS = np.random.default_rng(0).integers(1, 45, 5000)


def drawn(*seed: int) -> list[np.ndarray]:
    return batches(LENGTHS, 32, np.random.default_rng(seed))


def test_seed_determines_the_batches() -> None:
    for one, other in zip(drawn(1, 2), drawn(1, 2), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [list(batch) for batch in drawn(1, 2)] != [list(batch) for batch in drawn(1, 3)]


def test_batches_have_little_padding() -> None:
    def steps(found: list[np.ndarray]) -> int:
        return sum(len(batch) * LENGTHS[batch].max() for batch in found)

    at_random = [np.arange(5000)[at : at + 32] for at in range(0, 5000, 32)]
    assert steps(drawn(0)) < 1.15 * LENGTHS.sum() < steps(at_random)


def test_next_epoch_mixes_rows_differently() -> None:
    def neighbours(epoch: int) -> dict[int, set[int]]:
        return {row: set(batch) for batch in drawn(0, epoch) for row in batch}

    first, second = neighbours(1), neighbours(2)
    again = np.mean([len(first[row] & second[row]) - 1 for row in range(5000)])
    assert again < 4  # of 31; sorting all rows by length alone would leave most together


def test_short_and_long_batches_are_mixed() -> None:
    means = np.array([LENGTHS[batch].mean() for batch in drawn(0)])
    # Within a window they were sorted; shuffled, the next batch is longer as often as shorter.
    rising = np.mean(np.diff(means) > 0)
    assert 0.35 < rising < 0.65
