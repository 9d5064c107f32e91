"""Batch files are moved as they are, or stay."""

import errno
from pathlib import Path

import pytest

from headlines.hashing import file_sha256
from headlines.storage.local_store import LocalStore


def test_a_batch_is_moved_while_its_bytes_are_those(store: LocalStore) -> None:
    for name in ("a.csv", "b.csv/1.csv", "b.csv/2.csv"):
        path = store.path(f"inbox/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    single, folder = store.fetch("inbox/a.csv"), store.fetch("inbox/b.csv")
    digests = {name: file_sha256(folder / name) for name in ("1.csv", "2.csv")}
    assert not store.move(single, "archive/a.csv", {".": "0" * 64})
    assert single.exists()
    assert store.move(single, "archive/a.csv", {".": file_sha256(single)})
    assert not store.move(single, "archive/a.csv", {".": "0" * 64})  # it is gone
    assert not store.move(folder, "archive/b.csv", digests | {"2.csv": "0" * 64})
    assert sorted(path.name for path in folder.iterdir()) == ["1.csv", "2.csv"]
    assert store.move(folder, "archive/b.csv", digests)
    moved = sorted(path for path in store.path("archive").rglob("*") if path.is_file())
    assert [path.read_text() for path in moved] == ["a.csv", "b.csv/1.csv", "b.csv/2.csv"]
    assert list(store.path("inbox").iterdir()) == []


@pytest.mark.parametrize("damaged", [False, True])
def test_a_batch_is_moved_to_another_file_system(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    path = store.path("inbox/a.csv")
    path.parent.mkdir(parents=True)
    path.write_text("a")
    rename = Path.rename

    def rename_within_folders(source: Path, target: Path) -> Path:
        if source.parent != target.parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", rename_within_folders)
    digest = "0" * 64 if damaged else file_sha256(path)
    assert store.move(path, "archive/a.csv", {".": digest}) is not damaged
    assert path.exists() is damaged
    assert [p.name for p in store.path("archive").iterdir()] == ([] if damaged else ["a.csv"])
    assert len(list(path.parent.iterdir())) == damaged


def test_an_interrupted_move_is_undone(store: LocalStore) -> None:
    leaving = store.path("inbox/sub/.a.csv.archiving")
    leaving.parent.mkdir(parents=True)
    leaving.write_text("a")
    store.resume_moves("inbox")
    assert store.path("inbox/sub/a.csv").read_text() == "a"
