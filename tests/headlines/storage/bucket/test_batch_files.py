"""Files that others put into a bucket: fetched, moved, and a killed move resumed."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from headlines.errors import InputError
from headlines.hashing import file_sha256
from headlines.storage.data_root import DataRoot

from .conftest import RootOf, bucket_of, object_names


def upload(root: DataRoot, **files: str) -> None:
    for name, text in files.items():
        bucket_of(root).upload(text.encode(), f"inbox/{name.replace('__', '/')}.csv")


def texts(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def digests_of(folder: Path) -> dict[str, str]:
    return {name: file_sha256(folder / name) for name in texts(folder)}


def test_files_are_fetched_as_they_are_in_the_bucket(root: DataRoot) -> None:
    upload(root, a="one", sub__b="two")
    inbox = root.store.fetch("inbox")
    assert texts(inbox) == {"a.csv": "one", "sub/b.csv": "two"}
    assert root.store.name_of(inbox / "sub/b.csv") == "inbox/sub/b.csv"
    [info] = bucket_of(root).list("inbox/sub")
    assert (inbox / "sub/b.csv").stat().st_mtime == info.changed.timestamp()
    upload(root, a="1")
    bucket_of(root).delete(["inbox/sub/b.csv"])
    (inbox / "a.csv").write_text("edited here")
    assert root.store.fetch("inbox/a.csv").read_text() == "1"
    assert (inbox / "sub/b.csv").exists()  # only what was asked for is looked at
    assert texts(root.store.fetch("inbox")) == {"a.csv": "1"}
    assert not (inbox / "sub").exists()
    assert not root.store.fetch("inbox/none.csv").exists()


def test_only_wanted_files_are_fetched(root: DataRoot) -> None:
    upload(root, a="one", b="two")
    assert texts(root.store.fetch("inbox", lambda name: name == "b.csv")) == {"b.csv": "two"}


def test_marks_of_folders_are_no_files(root: DataRoot) -> None:
    upload(root, sub__a="one")
    bucket_of(root).upload(b"", "inbox/sub")
    assert texts(root.store.fetch("inbox")) == {"sub/a.csv": "one"}
    bucket_of(root).upload(b"content", "inbox/sub")
    with pytest.raises(InputError, match="name of a folder"):
        root.store.fetch("inbox")


def test_a_file_elsewhere_is_where_it_is(root: DataRoot, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert root.resolve(str(path)) == str(path)
    assert root.store.fetch(str(path)) == path
    assert root.location(str(path)) == str(path)


@pytest.mark.parametrize("names", [["a"], ["day.csv__a", "day.csv__b"]])
def test_a_batch_is_moved(root: DataRoot, names: Sequence[str]) -> None:
    upload(root, **dict.fromkeys(names, "text"))
    name = "a.csv" if names == ["a"] else "day.csv"
    path = root.store.fetch(f"inbox/{name}")
    digests = {".": file_sha256(path)} if path.is_file() else digests_of(path)
    assert not root.store.move(path, f"archive/{name}", dict.fromkeys(digests, "0" * 64))
    assert root.store.move(path, f"archive/{name}", digests)
    assert object_names(root, "inbox") == []
    assert len(object_names(root, "archive")) == len(names)
    assert not path.exists()
    assert set(texts(root.store.fetch("archive")).values()) == {"text"}


def test_a_batch_that_was_replaced_is_not_moved(root: DataRoot) -> None:
    upload(root, a="one")
    path = root.store.fetch("inbox/a.csv")
    upload(root, a="two")  # a revision, which is not here yet
    assert not root.store.move(path, "archive/a.csv", {".": file_sha256(path)})
    assert object_names(root, "inbox") == ["inbox/a.csv"]


def test_a_killed_move_is_resumed_elsewhere(
    root_of: RootOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = root_of("here")
    upload(here, day__csv__a="one", day__csv__b="two")
    path = here.store.fetch("inbox/day")
    real = bucket_of(here).delete

    def delete(names: Sequence[str]) -> None:
        real(names[:1])
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(bucket_of(here), "delete", delete)
    with pytest.raises(OSError, match="Input/output"):
        here.store.move(path, "archive/day", digests_of(path))
    assert len(object_names(here, "inbox")) == 2  # a file, and the mark
    there = root_of("there")
    there.store.resume_moves("inbox")
    assert object_names(there, "inbox") == []
    assert set(texts(there.store.fetch("archive")).values()) == {"one", "two"}


def test_a_resumed_move_deletes_nothing_that_is_not_copied(
    root: DataRoot, caplog: pytest.LogCaptureFixture
) -> None:
    upload(root, day__a="one")
    bucket_of(root).upload(b"archive/day", "inbox/day/_temporary/leaving")
    root.store.resume_moves("inbox")
    assert len(object_names(root, "inbox")) == 2
    assert "only in part" in caplog.text
