"""Batches that move to the archive: only those that were scored, whole, and found by `lineage`."""

import errno
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from headlines.errors import InputError
from headlines.nightly import archive as archive_module
from headlines.nightly.archive import archive
from headlines.scoring.batch import Batch, resolve_batches
from headlines.scoring.batch_state import BatchState, batch_state
from headlines.scoring.commit import record_failure
from headlines.storage.data_root import DataRoot
from headlines.storage.lineage import Link, lineage
from headlines.storage.manifest import Recipe
from tests.score import OPTIONS

Writer = Callable[[Path, list[str]], Path]
DAY = 24 * 3600


def publish_predictions(root: DataRoot, path: Path) -> Batch:
    """Publish predictions of a batch without a model."""
    [batch] = resolve_batches(root, [path], None)

    def write(draft: Path) -> dict[str, Any]:
        (draft / "part-00000.csv").write_text(batch.sha256, encoding="utf-8")
        return {}

    recipe = Recipe("predictions", 1, (batch.as_source(root),), {})
    root.store.publish(root.predictions_of(batch.name), recipe, write, keep_old=True)
    return batch


def age(path: Path, days: float) -> None:
    """Have a batch look as if it was written some days ago."""
    then = time.time() - days * DAY
    for file in [path, *path.rglob("*")]:
        os.utime(file, (then, then))


@pytest.fixture
def old(root: DataRoot, write_batch: Writer) -> Callable[[str], Path]:
    """Writes a batch of 40 days ago that was scored."""

    def write(name: str, titles: tuple[str, ...] = ("喜讯",)) -> Path:
        path = write_batch(root.store.directory / root.inbox / name, list(titles))
        publish_predictions(root, path)
        age(path, 40)
        return path

    return write


def inputs(root: DataRoot, name: str) -> list[Link]:
    return lineage(root, root.predictions_of(name))[1:]


def test_only_what_was_scored_and_is_old_is_moved(
    root: DataRoot, old: Callable[[str], Path], write_batch: Writer
) -> None:
    scored = [old("a.csv"), old("day/b.csv")]
    contents = [path.read_bytes() for path in scored]
    young = old("young.csv")
    age(young, 29)
    due, failed, revised = (
        write_batch(root.store.directory / root.inbox / name, ["天气"])
        for name in ("due.csv", "failed.csv", "r.csv")
    )
    record_failure(root, Batch.of_file(root, failed), OPTIONS, InputError("x", "y", "z"))
    publish_predictions(root, revised)
    write_batch(revised, ["天气", "公告"])
    for path in (due, failed, revised):
        age(path, 40)

    planned = archive(root, dry_run=True)
    assert all(path.exists() for path in scored)
    done = archive(root)

    assert planned.moved == done.moved == {"a.csv": "a.csv", "day/b.csv": "day/b.csv"}
    assert done.kept == {"due": 1, "failed": 1, "revised": 1, "too young": 1}
    assert [
        (root.store.directory / root.archive / name).read_bytes() for name in done.moved.values()
    ] == contents
    left = sorted(path.name for path in (root.store.directory / root.inbox).iterdir())
    assert left == ["due.csv", "failed.csv", "r.csv", "young.csv"]  # the empty folder is gone
    assert archive(root).moved == {}
    assert archive(root, older_than_days=28).moved == {"young.csv": "young.csv"}


def test_lineage_finds_the_source_in_the_archive(
    root: DataRoot, old: Callable[[str], Path]
) -> None:
    old("day/a.csv")
    archive(root)
    [link] = inputs(root, "day/a.csv")
    assert (link.path, link.problem) == ("archive/day/a.csv", "")
    assert "inbox/day/a.csv" in link.note

    (root.store.directory / root.archive / "day" / "a.csv").write_text(
        "title\n别的\n", encoding="utf-8"
    )
    [link] = inputs(root, "day/a.csv")
    assert (link.path, link.problem) == ("inbox/day/a.csv", "no longer there")


def test_a_batch_of_an_archived_name_is_compared_by_bytes(
    root: DataRoot, old: Callable[..., Path], write_batch: Writer
) -> None:
    old("a.csv")
    archive(root)

    again = write_batch(root.store.directory / root.inbox / "a.csv", ["喜讯"])
    assert batch_state(root, Batch.of_file(root, again)) is BatchState.SCORED
    age(again, 40)
    assert archive(root).moved == {"a.csv": "a.csv"}  # the same bytes are not kept twice

    revised = write_batch(root.store.directory / root.inbox / "a.csv", ["喜讯", "天气"])
    assert batch_state(root, Batch.of_file(root, revised)) is BatchState.REVISED
    for number in (1, 2):
        old("a.csv", ("喜讯", *"天气公告"[:number]))
        assert archive(root).moved == {"a.csv": f"a~{number}.csv"}
        [link] = inputs(root, "a.csv")
        assert (link.path, link.problem) == (f"archive/a~{number}.csv", "")
    assert sorted(path.name for path in (root.store.directory / root.archive).iterdir()) == [
        "a.csv", "a~1.csv", "a~2.csv",
    ]  # fmt: skip


def test_a_batch_in_the_archive_keeps_its_name(root: DataRoot, old: Callable[[str], Path]) -> None:
    old("day/a.csv")
    archive(root)
    [batch] = resolve_batches(root, [root.store.directory / root.archive / "day" / "a.csv"], None)
    assert batch.name == "day/a.csv"
    assert batch_state(root, batch) is BatchState.SCORED


def test_a_folder_moves_as_one_batch(root: DataRoot, write_batch: Writer) -> None:
    folder = root.store.directory / root.inbox / "a.csv"
    for _ in range(2):
        for number in range(2):
            write_batch(folder / f"part-{number}.csv", ["喜讯", str(number)])
        (folder / "_SUCCESS").touch()
        publish_predictions(root, folder)
        age(folder, 40)
        archive(root)
        assert not folder.exists()
    assert sorted(path.name for path in (root.store.directory / root.archive).iterdir()) == [
        "a.csv",
        "a~1.csv",
    ]
    [link] = inputs(root, "a.csv")
    assert (link.what, link.path, link.problem) == ("files", "archive/a.csv", "")


@pytest.fixture
def another_file_system(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive cannot be reached from the inbox by a rename."""
    rename = Path.rename

    def refusing(path: Path, target: Path) -> Path:
        inbox, archive = (root.store.directory / name for name in (root.inbox, root.archive))
        if inbox in path.parents and archive in target.parents:
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refusing)


@pytest.mark.usefixtures("another_file_system")
def test_another_file_system_is_reached_by_a_copy(
    root: DataRoot, old: Callable[[str], Path], write_batch: Writer
) -> None:
    content = old("a.csv").read_bytes()
    folder = write_batch(root.store.directory / root.inbox / "f.csv" / "0.csv", ["喜讯"]).parent
    publish_predictions(root, folder)
    age(folder, 40)
    half = root.store.directory / root.archive / ".f.csv.partial"  # of a run that was killed
    write_batch(half / "1.csv", ["?"])

    assert archive(root).moved == {"a.csv": "a.csv", "f.csv": "f.csv"}

    assert (root.store.directory / root.archive / "a.csv").read_bytes() == content
    assert list((root.store.directory / root.inbox).iterdir()) == []
    assert [path.name for path in (root.store.directory / root.archive / "f.csv").iterdir()] == [
        "0.csv"
    ]
    assert not half.exists()
    assert not inputs(root, "f.csv")[0].problem


@pytest.mark.usefixtures("another_file_system")
def test_an_incomplete_copy_leaves_the_batch_in_the_inbox(
    root: DataRoot, old: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = old("a.csv")

    def cut_off(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:-1])

    monkeypatch.setattr(shutil, "copy2", cut_off)
    done = archive(root)
    assert (done.moved, done.kept) == ({}, {"changed meanwhile": 1})
    assert path.exists()
    assert list((root.store.directory / root.archive).iterdir()) == []


def test_a_batch_replaced_at_the_last_moment_is_put_back(
    root: DataRoot,
    old: Callable[[str], Path],
    write_batch: Writer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = old("a.csv")
    free_name = archive_module._free_name

    def replaced(root: DataRoot, batch: Batch) -> str:
        name = free_name(root, batch)
        write_batch(path, ["另一条"])
        return name

    monkeypatch.setattr(archive_module, "_free_name", replaced)
    done = archive(root)
    assert (done.moved, done.kept) == ({}, {"changed meanwhile": 1})
    assert "另一条" in path.read_text("utf-8")
    assert not (root.store.directory / root.archive / "a.csv").exists()


@pytest.mark.parametrize("elsewhere", [False, True], ids=["", "to another file system"])
def test_several_runs_at_once_move_each_batch_once(
    root: DataRoot,
    old: Callable[[str], Path],
    request: pytest.FixtureRequest,
    elsewhere: bool,
) -> None:
    if elsewhere:
        request.getfixturevalue("another_file_system")
    names = {f"{number}/a.csv" for number in range(40)}
    contents = {name: old(name).read_bytes() for name in names}
    with ThreadPoolExecutor(4) as runs:
        done = [run.result() for run in [runs.submit(archive, root) for _ in range(4)]]
    assert sorted(name for result in done for name in result.moved) == sorted(names)
    assert {
        name: (root.store.directory / root.archive / name).read_bytes() for name in names
    } == contents
    assert list((root.store.directory / root.inbox).iterdir()) == []


@pytest.mark.parametrize("days", [-1, float("nan"), float("inf")])
def test_invalid_numbers_of_days_are_refused(root: DataRoot, days: float) -> None:
    with pytest.raises(InputError, match="--older-than"):
        archive(root, days)
