"""What `.work` collects is removed in time, and nothing that is in use."""

import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from headlines.storage.atomic import file_lock
from headlines.storage.cleanup import (
    clean_checkpoints,
    clean_chunks,
    clean_drafts,
    clean_locks,
    clean_quarantine,
    clean_work,
)
from headlines.storage.local_store import LocalStore
from headlines.storage.manifest import Recipe

DAY = 24 * 3600


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "data")


def in_work(store: LocalStore) -> list[str]:
    return sorted(path.name for path in store.work.iterdir() if path.suffix != ".lock")


def age(path: Path, days: float) -> None:
    os.utime(path, (time.time() - days * DAY,) * 2)


def ended_process() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_only_drafts_of_ended_processes_are_removed(store: LocalStore) -> None:
    host, gone = socket.gethostname(), ended_process()
    orphans = [
        f"draft-{host}-{gone}-0123abcd-0",
        f"draft-{host}-{gone}-0123abcd-17",
        f"draft-{host}-{os.getpid()}-0123abcd-0",  # this id was another process's before
    ]
    others = [
        f"draft-{host}-{os.getppid()}-0123abcd-0",
        f"draft-{host}-2-{gone}-0123abcd-0",  # of the machine `<host>-2`
        f"draft-elsewhere-{gone}-0123abcd-0",
        f"draft-{host}-{gone}",
        f"draft-{host}-notes-of-mine",
        f"draft-{host}-{'9' * 30}-0123abcd-0",
        "draft-",
        "damaged",
    ]
    for name in [*orphans, *others]:
        (store.work / name / "folder").mkdir(parents=True)
        (store.work / name / "folder" / "file").write_text("")

    def clean_within(draft: Path) -> dict[str, Any]:
        (draft / "text").write_text("mine")
        assert clean_drafts(store.work) == len(orphans)
        assert in_work(store) == sorted([*others, draft.name])
        return {}

    store.publish("reports/example", Recipe("example", 1, (), {}), clean_within)
    assert in_work(store) == sorted(others)
    assert clean_drafts(store.work) == 0


def test_drafts_of_a_dead_machine_are_removed_after_a_week(store: LocalStore) -> None:
    old, new = (store.work / f"draft-elsewhere-7-0123abcd-{number}" for number in range(2))
    for draft in (old, new):
        draft.mkdir(parents=True)
        (draft / "file").write_text("")
    os.utime(old, (time.time() - 7 * 24 * 3600 - 60,) * 2)
    assert clean_drafts(store.work) == 1
    assert in_work(store) == [new.name]


def test_cleaning_an_empty_root_creates_nothing(store: LocalStore) -> None:
    assert clean_work(store.work) == 0
    assert not store.directory.exists()


def test_chunks_that_no_run_resumed_are_removed(store: LocalStore) -> None:
    week = 7 * 24 * 3600
    pieces = [store.work / kind / age for kind in ("admitted", "chunks") for age in ("old", "new")]
    for piece in pieces:
        piece.mkdir(parents=True)
        if piece.name == "old":
            os.utime(piece, (time.time() - week - 60,) * 2)
    assert clean_chunks(store.work) == 2
    assert [piece.name for piece in pieces if piece.exists()] == ["new", "new"]


def test_quarantine_is_kept_for_a_month(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("reports/one", "predictions/batch=a.csv", ".work/chunks/x"):
        target = store.path(name)
        (target / "folder~7").mkdir(parents=True)
        (target / "folder~7" / "file").write_text("")
        os.utime(target, (0, 0))  # the content may be of any age
        assert store.quarantine(name, "a test") is not None
    (store.work / "damaged" / "reports" / "my notes").write_text("mine")
    kept = sorted(store.work.rglob("*"))

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 30 * 24 * 3600 - 60)
    assert clean_quarantine(store.work) == 0
    assert sorted(store.work.rglob("*")) == kept

    monkeypatch.setattr(time, "time", lambda: now + 30 * 24 * 3600 + 60)
    with caplog.at_level(logging.INFO):
        assert clean_quarantine(store.work) == 3
    assert "reports/one~1" in caplog.text
    left = [path.name for path in (store.work / "damaged").rglob("*") if path.is_file()]
    assert left == ["my notes"]
    assert clean_quarantine(store.work) == 0


def test_a_draft_left_by_an_ended_process_is_in_nobodys_way(store: LocalStore) -> None:
    """In a container started again the process has the same id, and counts drafts from 0 again."""
    script = (
        "import os, sys; os.getpid = lambda: 7; from pathlib import Path\n"
        "from headlines.storage.local_store import LocalStore\n"
        "from headlines.storage.manifest import Recipe\n"
        "end = lambda draft: os._exit(0) if sys.argv[2] else {}\n"
        "store = LocalStore(Path(sys.argv[1]))\n"
        "store.publish('reports/example', Recipe('example', 1, (), {}), end)"
    )
    for killed in ("killed", ""):
        subprocess.run([sys.executable, "-c", script, store.directory, killed], check=True)
    assert len(in_work(store)) == 1
    assert store.open("reports/example")


def test_checkpoints_that_no_training_resumed_are_removed(store: LocalStore) -> None:
    names = ["training-old", "trial-old", "training-new", "training-resumed", "training-running"]
    for name in names:
        (store.work / name).mkdir(parents=True)
        (store.work / name / "epoch-0001.json").write_text("")
        if name != "training-new":
            age(store.work / name / "epoch-0001.json", 31)
            age(store.work / name, 31)
    (store.work / "training-resumed" / "epoch-0002.json").write_text("")
    with file_lock(store.work, "training-running"):
        assert clean_checkpoints(store.work) == 2
    assert in_work(store) == sorted(names[2:])


def test_locks_that_nobody_used_are_removed(store: LocalStore) -> None:
    for name in ("old", "held", "new"):
        with file_lock(store.work, name):
            pass
    with file_lock(store.work, "held"):
        for name in ("old", "held"):
            age(store.work / f"{name}.lock", 31)
        assert clean_locks(store.work) == 1
    assert sorted(path.name for path in store.work.iterdir()) == ["held.lock", "new.lock"]
    with file_lock(store.work, "held"):  # its use has made it new
        assert clean_locks(store.work) == 0
