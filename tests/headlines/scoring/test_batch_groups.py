"""Small batches in groups: each ends as it would by itself, and none stops another."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from headlines.hashing import json_digest
from headlines.models import champion
from headlines.scoring.batch import Batch
from headlines.scoring.batch_groups import (
    GROUP_SIZE,
    BatchGroup,
    GroupResult,
    score_group,
    score_group_on_worker,
    split_small,
)
from headlines.scoring.options import ChunkSizes
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot
from tests.headlines.scoring.test_scoring import TITLES, make_champion
from tests.score import run, score_options

Writer = Callable[[Path, list[str]], Path]

OPTIONS = score_options()


@pytest.fixture
def batches(root: DataRoot, tmp_path: Path, write_batch: Writer) -> list[Batch]:
    """Four batches, of which the second has no usable row."""
    make_champion(root)
    titles = [TITLES, ["", " "], TITLES[:2], [*TITLES, ""]]
    return [
        Batch.of_file(root, write_batch(tmp_path / f"{number}.csv", rows))
        for number, rows in enumerate(titles)
    ]


def group(root: DataRoot, batches: Sequence[Batch], *, is_only: bool = True) -> BatchGroup:
    model = champion.open_champion(root)
    return BatchGroup(root, tuple(batches), model, OPTIONS, is_only=is_only)


def outcomes(done: GroupResult) -> dict[str, tuple[str, int, int]]:
    return {
        result.batch: (result.outcome, result.scored, result.rejected) for result in done.results
    }


def test_each_batch_of_a_group_ends_as_by_itself(
    root: DataRoot, batches: list[Batch], tmp_path: Path
) -> None:
    alone = DataRoot.open(tmp_path / "alone")
    make_champion(alone)
    expected = [run(alone, batch) for batch in (batches[0], *batches[2:])]

    done = score_group(group(root, batches))
    assert outcomes(done) == {
        "0.csv": ("scored", 6, 0),
        "1.csv": ("stopped", 0, 0),
        "2.csv": ("scored", 2, 0),
        "3.csv": ("scored", 6, 1),
    }
    assert done.errors == {}
    assert "2 of 2 rows" in done.results[1].message
    assert root.store.open(root.failure_of("1.csv")) is not None
    for result in expected:
        [of_group] = [found for found in done.results if found.batch == result.batch]
        assert of_group.profile == result.profile
        files = [
            [path.read_bytes() for path in predictions.files(".parquet")]
            for where in (root, alone)
            if (predictions := where.store.open(where.predictions_of(result.batch)))
        ]
        assert files[0] == files[1]


def test_an_unexpected_error_leaves_the_other_batches(root: DataRoot, batches: list[Batch]) -> None:
    # A directory where the lock of its claim belongs.
    (root.store.work / f"batch-{json_digest('0.csv')[:2]}.lock").mkdir(parents=True)

    done = score_group(group(root, batches))
    assert list(done.errors) == ["0.csv"]
    assert "IsADirectoryError" in done.errors["0.csv"]
    assert [result.outcome for result in done.results] == ["stopped", "scored", "scored"]


@pytest.mark.parametrize(("runner", "is_only"), [("threads", False), ("processes", True)])
def test_groups_need_no_thread_that_their_steps_wait_for(
    root: DataRoot, batches: list[Batch], runner: str, is_only: bool
) -> None:
    one_worker = DataRoot.open(root.url, Settings(runner=runner, workers=1))
    done = score_group_on_worker(group(one_worker, batches, is_only=is_only))
    assert len(done.results) == 4


def test_small_batches_are_grouped_and_large_ones_are_not(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    files = [write_batch(tmp_path / f"{n}.csv", ["喜讯"]) for n in range(GROUP_SIZE + 2)]
    large = write_batch(tmp_path / "a.csv", ["喜讯"] * 100)
    batches = [Batch.of_file(root, file) for file in (*files, large)]
    sizes = ChunkSizes(small_batch_bytes=files[-1].stat().st_size)

    groups, others = split_small(batches, sizes)
    assert [batch.name for group in groups for batch in group] == [f.name for f in files]
    assert [len(group) for group in groups] == [GROUP_SIZE, 2]
    assert [batch.name for batch in others] == ["a.csv"]


def test_a_batch_that_is_gone_or_the_only_small_one_is_left_alone(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    files = [write_batch(tmp_path / f"{n}.csv", ["喜讯"]) for n in range(2)]
    batches = [Batch.of_file(root, file) for file in files]
    files[0].unlink()
    assert split_small(batches, ChunkSizes()) == ([], batches)
