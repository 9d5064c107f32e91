"""Atomic writes, and locks that cleanup may remove."""

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headlines.errors import InputError
from headlines.storage.atomic import atomic_output, file_lock, write_atomically
from headlines.storage.cleanup import clean_locks


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / ".work"


def test_a_small_file_is_replaced_as_a_whole(work: Path, tmp_path: Path) -> None:
    path = tmp_path / "models/champion.json"
    write_atomically(work, path, b"old and long")
    with path.open("rb") as reader:
        write_atomically(work, path, b"new")
        assert reader.read() == b"old and long"
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == ["champion.json"]  # hidden ones too  # noqa: PTH208
    assert list(work.iterdir()) == []


def test_a_lock_is_held_until_its_holder_ends(work: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from headlines.storage.atomic import file_lock\n"
        "with file_lock(Path(sys.argv[1]), 'test'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )

    def is_held() -> bool:
        try:
            with file_lock(work, "test", wait=False):
                return False
        except BlockingIOError:
            return True

    with subprocess.Popen(
        [sys.executable, "-c", script, work],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert is_held()
        with file_lock(work, "another"):
            process.kill()
    with (
        file_lock(work, "test"),
        (work / "test.lock").open("a") as file,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_one_holder_at_a_time_while_locks_are_removed(work: Path) -> None:
    """A lock whose file was removed while a process waited for it is no lock."""
    holders: list[int] = []
    most = 0
    stop = threading.Event()

    def hold() -> None:
        nonlocal most
        while not stop.is_set():
            with file_lock(work, "test"):
                holders.append(1)
                most = max(most, len(holders))
                os.utime(work / "test.lock", (0, 0))  # as if nobody had used it for long
                holders.pop()

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    removed, deadline = 0, time.monotonic() + 60
    while removed < 3 and time.monotonic() < deadline:  # mostly, one of the threads holds it
        removed += clean_locks(work)
    stop.set()
    for thread in threads:
        thread.join()
    assert most == 1
    assert removed == 3


def test_an_output_replaces_the_file_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    with atomic_output(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_output_leaves_the_previous_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")

    def fail_after_a_line() -> None:
        with atomic_output(path) as draft:
            draft.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as caught:
        fail_after_a_line()
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_link_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    link = tmp_path / "a.csv"
    link.symlink_to(tmp_path / "shared" / "b.csv")
    with atomic_output(link) as draft:
        draft.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "shared" / "b.csv").read_text() == "new"


def test_an_output_may_have_the_longest_name(tmp_path: Path) -> None:
    path = tmp_path / ("长" * 83 + ".csv")  # 253 bytes
    with atomic_output(path) as draft:
        draft.write_text("new")
    assert path.read_text() == "new"


def test_a_directory_is_written_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "export"
    with atomic_output(path) as draft:
        draft.mkdir()
        (draft / "a").write_text("a")
        assert not path.exists()
    assert [p.name for p in path.iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Runs the test as a user whom permissions bind."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_a_lock_of_another_user_is_wrong_input(as_nobody: None) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:  # which that user can reach
        work = Path(directory)
        (work / "batch.lock").touch(0o444)
        with pytest.raises(InputError, match="another user has made it"), file_lock(work, "batch"):
            pass
