"""A run of scoring and all its workers killed at once, at any moment, and run again."""

import contextlib
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from headlines.errors import DamagedArtifact
from headlines.storage.data_root import DataRoot

from .conftest import Victim, results
from .failing_writes import Phase

BATCH = "news.csv"
ROWS, CHUNK_ROWS = 1_200, 200
WORDS = ["股市", "大涨", "下跌", "地震", "伤亡", "夺冠", "天气", "晴", "北京", "公司"]
RUN = {"workers": 2, "chunk_rows": CHUNK_ROWS}


def write_rows(root: Path, seed: int) -> None:
    """A batch of which every fortieth headline cannot be used."""
    seeded = random.Random(seed)
    lines = ["id,title,source\n"]
    for row in range(ROWS):
        title = "" if row % 40 == seed else "".join(seeded.choices(WORDS, k=seeded.randint(1, 6)))
        lines.append(f"n-{row},{title},搜狐\n")
    path = root / "inbox" / BATCH
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")


class Watcher:
    """Looks at the predictions again and again, as a reader might at any time."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "predictions"
        self.store = DataRoot.open(root).store
        self.whole: set[tuple[int, int]] = set()
        self.partial: set[str] = set()

    def look(self) -> None:
        """Note what stands there and is no whole artifact."""
        if not self.directory.is_dir():
            return
        for place in self.directory.iterdir():
            version = self._version(place)
            if version is None or version in self.whole:
                continue
            try:
                artifact = self.store.open(f"predictions/{place.name}")
            except DamagedArtifact as damage:
                if self._version(place) == version:  # and not replaced while it was read
                    self.partial.add(str(damage))
            else:
                if artifact:
                    self.whole.add(version)

    @staticmethod
    def _version(place: Path) -> tuple[int, int] | None:
        try:
            found = place.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns


class Run:
    """A batch that is scored by worker processes, undisturbed and then killed.

    Attributes:
        seconds: the undisturbed run took.
        changes: of the file system that it made.
        publishing: how many of them were made by then that it began to publish.
    """

    def __init__(self, victim: Victim, directory: Path, *, revised: bool) -> None:
        self.victim, self.control = victim, victim.control
        self.start, self.root = directory / "start", directory / "root"
        victim.do("first_model", self.start)
        if revised:
            write_rows(self.start, seed=1)
            victim.do("score", self.start, **RUN)
        write_rows(self.start, seed=2)
        self.old = results(self.start)
        self.publishing = 0
        self.copy()
        self.control.arm(self.root)
        began = time.monotonic()
        victim.start("score", self.root, {"own_group": True}, **RUN)
        while not victim.is_over():
            if self.control.phase < Phase.PUBLISHING:
                self.publishing = self.control.steps
        self.seconds = time.monotonic() - began
        assert victim.answer()["result"] == "scored"
        self.changes = self.control.steps
        self.new = results(self.root)

    def copy(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.start, self.root)

    def moments(self, seeded: random.Random) -> Iterator[dict[str, Any]]:
        """When to kill: half by the clock over the whole run, a quarter by change of the file
        system, and a quarter by change while it publishes."""
        while True:
            yield {"seconds": seeded.uniform(0, self.seconds)}
            yield {"change": seeded.randint(1, self.changes)}
            yield {"seconds": seeded.uniform(0, self.seconds)}
            yield {"change": seeded.randint(self.publishing + 1, self.changes)}

    def killed(self, seen: Counter[str], seconds: float | None = None, change: int = 0) -> None:
        """Kill the run at a moment, look at what is left, run it again; note what was seen."""
        self.copy()
        watcher = Watcher(self.root)
        self.control.arm(self.root, first=change, last=change)
        self.victim.start("score", self.root, {"own_group": True}, **RUN)
        began = time.monotonic()
        while not self.victim.is_over():
            watcher.look()
            if seconds is not None and self.control.group and time.monotonic() > began + seconds:
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.killpg(self.control.group, signal.SIGKILL)
                seconds = None
        answer = self.victim.answer()
        if answer["signal"] != signal.SIGKILL:
            seen["ended before"] += 1
            return
        for semaphore in Path("/dev/shm").glob(f"sem.loky-{self.control.group}-*"):
            semaphore.unlink()  # who would have removed it was killed too
        seen["kills"] += 1
        seen["kills inside publishing"] += self.control.phase == Phase.PUBLISHING
        seen["kills by clock"] += not change
        watcher.look()
        self.check_left(seen)

        self.control.arm(self.root)
        self.victim.start("score", self.root, {"own_group": True}, **RUN)
        while not self.victim.is_over():
            watcher.look()
        answer = self.victim.answer()
        assert answer.get("result") in ("scored", "reused"), answer
        watcher.look()
        seen["partial"] += len(watcher.partial)
        self.check_end(seen)

    def check_left(self, seen: Counter[str]) -> None:
        """What a reader finds after the kill is the old state or the new, and nothing is gone."""
        left = results(self.root)
        for unit, content in left.items():
            seen["partial"] += content not in (self.old.get(unit), self.new.get(unit))
        predictions = self.old.get(f"predictions/batch={BATCH}")
        seen["lost"] += bool(predictions) and predictions not in left.values()

    def check_end(self, seen: Counter[str]) -> None:
        """Every row is scored or rejected, once; all bytes are those of the undisturbed run."""
        rows: list[int] = []
        for folder in ("predictions", "rejects"):
            place = self.root / folder / f"batch={BATCH}"
            rows += ds.dataset(place, format="parquet").to_table(["row"]).column("row").to_pylist()
        counted = Counter(rows)
        seen["lost"] += len(set(range(ROWS)) - set(counted))
        seen["duplicated"] += sum(times - 1 for times in counted.values())
        seen["different"] += results(self.root) != self.new


def kill(run: Run, kills: int, seed: str) -> Counter[str]:
    """Kill a run so many times; what was seen."""
    seen = Counter({"partial": 0, "lost": 0, "duplicated": 0, "different": 0})
    for moment in run.moments(random.Random(seed)):
        run.killed(seen, **moment)
        if seen["kills"] == kills:
            return seen
        assert seen["ended before"] < 10 * kills, seen
    raise AssertionError("there are always more moments")


@pytest.mark.integration
def test_a_group_of_processes_killed_at_a_few_moments(fragile: Victim, tmp_path: Path) -> None:
    run = Run(fragile, tmp_path, revised=True)
    parts = sorted((run.root / "predictions" / f"batch={BATCH}").glob("*.parquet"))
    assert [pq.read_metadata(part).num_rows for part in parts] == [200] * 5 + [170]
    assert 100 < run.publishing < run.changes - 30
    seen = kill(run, 3, "a few")
    assert not seen["lost"] + seen["duplicated"] + seen["partial"] + seen["different"], seen


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("revised", [False, True], ids=["a new batch", "a revised batch"])
def test_a_group_of_processes_killed_at_a_hundred_moments(
    fragile: Victim,
    tmp_path: Path,
    revised: bool,
    request: pytest.FixtureRequest,
    count: Callable[..., None],
) -> None:
    seen = kill(Run(fragile, tmp_path, revised=revised), 100, "a hundred")
    what = f"killed: {request.node.callspec.id}"
    count(what, **{name.replace(" ", "_"): number for name, number in seen.items()})
    assert seen["kills"] == 100
    assert seen["kills inside publishing"] >= 15
    assert not seen["lost"] + seen["duplicated"] + seen["partial"] + seen["different"], seen
