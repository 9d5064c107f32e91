"""Data roots to do harm to, and a process that dies at our word."""

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import MANIFEST
from tests import factories

from . import failing_writes
from .failing_writes import Control

_COUNTED = "counted"
_SCRIPT = Path(__file__).with_name("victim.py")

BATCHES = {
    "first": ["股市大涨", "", "地震伤亡", "北京晴", "公司夺冠", "下跌", " ", "天气", "大涨", "晴"],
    "revised": ["北京公司下跌", "", "地震", "夺冠", "天气晴", "股市"],
    "clean": ["北京公司下跌", "地震", "夺冠"],
    "unusable": ["", " ", "晴"],
}


class Victim:
    """A process that does jobs in children of its own; see `victim.py`.

    Attributes:
        process: it.
        control: of `failing_writes.c`, for one that is under it.
    """

    def __init__(self, process: "subprocess.Popen[str]", control: Control) -> None:
        self.process = process
        self.control = control

    def start(self, job: str, root: Path, harm: dict[str, Any], **arguments: Any) -> None:
        """Have a job begun below a data root; `harm` says what is to befall it."""
        assert self.process.stdin is not None
        request = {"job": job, "arguments": {"root": str(root), **arguments}, **harm}
        print(json.dumps(request), file=self.process.stdin, flush=True)

    def is_over(self) -> bool:
        """Whether the job that was begun has ended, and all that it has started; waits a moment."""
        return bool(select.select([self.process.stdout], [], [], 0.003)[0])

    def answer(self) -> dict[str, Any]:
        """What became of the job that was begun; waits for it."""
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def ask(self, job: str, root: Path, harm: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        """Do a job below a data root; `harm` says what is to befall it."""
        self.start(job, root, harm, **arguments)
        return self.answer()

    def do(self, job: str, root: Path, **arguments: Any) -> dict[str, Any]:
        """Do a job to its end: its `result` and how many `steps` it took."""
        answer = self.ask(job, root, {}, **arguments)
        assert "result" in answer, answer.get("traceback", answer)
        return answer


@contextlib.contextmanager
def _started(extra: dict[str, str], control: Control) -> Iterator[Victim]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),  # for `tests.factories`
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with subprocess.Popen(
        [sys.executable, str(_SCRIPT)],
        env=environment | extra,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Victim(process, control)  # it ends when its standard input is closed


@pytest.fixture(scope="session")
def victim() -> Iterator[Victim]:
    with _started({}, Control()) as started:
        yield started


@pytest.fixture(scope="session")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A victim whose every change of the file system can be made to fail, or be its last."""
    try:
        extra = failing_writes.environment(tmp_path_factory.mktemp("failing-writes"))
    except FileNotFoundError as error:
        pytest.skip(f"there is no C compiler: {error}")
    with _started(extra, Control.at(Path(extra[failing_writes.PAGE]))) as started:
        yield started


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Notes figures to be shown when all tests are over: `count("what", kills=200)`."""

    def note(what: str, **figures: int) -> None:
        record_property(_COUNTED, [what, figures])

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the tests have counted."""
    counts = [
        counted
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, counted in report.user_properties
        if name == _COUNTED
    ]
    if counts:
        terminalreporter.section("faults")
    for what, figures in counts:
        shown = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in figures.items())
        terminalreporter.write_line(f"{what:<42} {shown}")


@pytest.fixture
def scored(victim: Victim, tmp_path: Path) -> Path:
    """A data root with a champion and a batch that it has scored."""
    root = tmp_path / "scored"
    victim.do("first_model", root)
    write_batch(root, "first")
    assert victim.do("score", root)["result"] == "scored"
    return root


def write_batch(root: Path, kind: str, name: str = "news.csv") -> None:
    """Put a batch of headlines into the inbox; one of the same name revises the last."""
    factories.write_batch(root / "inbox" / name, BATCHES[kind])


def results(root: Path) -> dict[str, dict[str, Any]]:
    """What readers can see below a root: for each artifact, and each other file, its contents.

    Of manifests and of the champion's history it leaves out what is about the moment alone.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.is_relative_to(root / ".work"):
            continue
        artifact = next((p for p in path.parents if (p / MANIFEST).is_file()), path.parent)
        unit = path if artifact == path.parent and not (artifact / MANIFEST).is_file() else artifact
        name = path.relative_to(artifact).as_posix()
        content: Any = path.read_bytes()
        if name in (MANIFEST, "champion.json"):
            content = json.loads(content)
            for moment in ("created_at", "seconds", "digest"):
                content.pop(moment, None)
            for promotion in content.get("history", []):
                promotion.pop("at")
        found.setdefault(unit.relative_to(root).as_posix(), {})[name] = content
    return found


def unopenable(root: Path) -> set[str]:
    """The directories that stand where artifacts are read, and are none."""
    store, found = DataRoot.open(root).store, set()
    for pattern in ("reports/*", "models/*/", "predictions/*", "rejects/*", "failed/*",
                    "superseded/*/*", ".work/admitted/*", ".work/chunks/*"):  # fmt: skip
        for directory in root.glob(pattern):
            try:
                assert store.open(directory.relative_to(root).as_posix())
            except Exception as error:
                found.add(f"{directory}: {error}")
    return found


def predicted(root: Path) -> list[int]:
    """The rows that are predicted, read as people read them: as one dataset."""
    directory = root / "predictions"
    if not directory.is_dir():
        return []
    dataset = ds.dataset(directory, format="parquet", partitioning="hive")
    if not dataset.files:
        return []
    return sorted(dataset.to_table(columns=["row"]).column("row").to_pylist())


def drafts(root: Path) -> list[str]:
    """The drafts that lie below a root."""
    return sorted(path.name for path in DataRoot.open(root).store.work.glob("draft-*"))
