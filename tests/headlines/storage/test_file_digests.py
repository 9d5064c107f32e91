"""Remembered digests: a file is read again if it changed, and only then."""

import json
import os
import time
from pathlib import Path

import pytest

from headlines import hashing
from headlines.hashing import file_sha256, file_sha256_once
from headlines.storage.data_root import DataRoot
from headlines.storage.file_digests import FileDigestCache


def age(path: Path, seconds: float = 60, by: float = 0) -> None:
    """Have a file look as if it was written some time ago."""
    then = time.time() - seconds + by
    os.utime(path, (then, then))


@pytest.fixture
def file(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the inbox that did not change for a while."""
    path = root.store.fetch(root.inbox) / "头条" / "a.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"title\none\n")
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 60 * 10**9)
    return path


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is read for its digest."""
    read: list[Path] = []
    plain = Path.open

    def noted(path: Path, *arguments: str, **options: str) -> object:
        if path.suffix == ".csv":
            read.append(path)
        return plain(path, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", noted)
    return read


def test_a_file_that_did_not_change_is_read_once(
    root: DataRoot, file: Path, readings: list[Path]
) -> None:
    digests = FileDigestCache(root)
    first = digests.of(file)
    assert digests.of(file) == first
    digests.save()
    assert FileDigestCache(root).of(file) == first
    assert readings == [file]
    assert first == file_sha256(file)


def test_a_changed_file_of_the_same_size_and_time_is_read_again(root: DataRoot, file: Path) -> None:
    digests = FileDigestCache(root)
    digests.of(file)
    digests.save()
    before = file.stat()
    file.write_bytes(b"title\ntwo\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert FileDigestCache(root).of(file) == file_sha256(file)


def test_another_file_in_its_place_is_read(root: DataRoot, file: Path) -> None:
    digests = FileDigestCache(root)
    digests.of(file)
    digests.save()
    other = file.with_name("b.csv")
    other.write_bytes(b"title\ntwo\n")
    other.replace(file)
    assert FileDigestCache(root).of(file) == file_sha256(file)


def test_a_file_that_changed_a_moment_ago_is_not_remembered(
    root: DataRoot, file: Path, readings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = file.stat().st_mtime_ns
    monkeypatch.setattr(time, "time_ns", lambda: written + 10**9)
    digests = FileDigestCache(root)
    digests.of(file)
    digests.of(file)
    assert len(readings) == 2
    digests.save()
    assert not FileDigestCache(root)._known


def test_a_file_that_is_gone_is_forgotten(root: DataRoot, file: Path) -> None:
    digests = FileDigestCache(root)
    digests.of(file)
    digests.save()
    file.unlink()
    again = FileDigestCache(root)
    assert len(again._known) == 1
    again.save()
    assert not FileDigestCache(root)._known
    with pytest.raises(FileNotFoundError):
        again.of(file)


def test_what_was_saved_is_a_cache_and_no_more(
    root: DataRoot, file: Path, readings: list[Path]
) -> None:
    digest = FileDigestCache(root).of(file)
    saved = root.store.work / "digests.json"
    for harm in (b"", b"{}", b"x", None, b"other version"):
        digests = FileDigestCache(root)
        digests.of(file)
        digests.save()
        whole = saved.read_bytes()
        assert FileDigestCache(root)._known
        if harm == b"other version":
            body = json.dumps({"format": 0, "other": []}).encode()
            from headlines.storage.file_digests import _seal

            saved.write_bytes(_seal(body) + body)
        elif harm is None:
            saved.write_bytes(whole.replace(digest.encode(), b"0" * 64))
        else:
            saved.write_bytes(harm)
        readings.clear()
        assert FileDigestCache(root).of(file) == digest
        assert readings == [file]


def test_it_moves_with_the_data_root(root: DataRoot, file: Path, readings: list[Path]) -> None:
    digests = FileDigestCache(root)
    digest = digests.of(file)
    digests.save()
    moved = DataRoot.open(root.store.directory.with_name("elsewhere"))
    root.store.directory.rename(moved.store.directory)
    readings.clear()
    assert FileDigestCache(moved).of(moved.store.fetch(moved.inbox) / "头条" / "a.csv") == digest
    assert readings == []


def test_a_full_disk_is_only_logged(
    root: DataRoot, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    digests = FileDigestCache(root)
    digests.of(file)
    root.store.work.parent.mkdir(parents=True, exist_ok=True)
    root.store.work.write_text("a file where the directory should be", encoding="utf-8")
    digests.save()
    assert "not remembered" in caplog.text


def test_a_large_file_is_read_once_a_process(
    file: Path, readings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "_LARGE_BYTES", 1)
    assert file_sha256_once(file) == file_sha256_once(file)
    assert readings == [file]
    file.write_bytes(b"title\ntwo\n")
    assert file_sha256_once(file) == file_sha256(file)
