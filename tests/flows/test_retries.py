"""Each task of a night fails twice and then succeeds: it is tried again, and nothing else is."""

import dataclasses
import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from headlines.errors import BatchesStopped
from headlines.models import registry
from headlines.scoring.options import ChunkSizes, ScoreOptions
from headlines.storage.data_root import DataRoot
from lstm_model.presets import PRESETS

Writer = Callable[[Path, list[str]], Path]

pytestmark = pytest.mark.usefixtures("prefect_server")

TITLES = ["某地火灾三人受伤", "小学生获奖", "明日天气", "小学生获奖", "关于路线的公告"]

# How often a night runs each task. There are two batches: one is scored in two chunks, the other
# is stopped.
RUNS = {
    "ensure_corpus": 1,
    "segment_corpus": 1,
    "no_models_yet": 1,
    "pretrain_vectors": 1,
    "train_model": 1,
    "read_model": 1,
    "prepare_batch": 2,
    "score_chunk": 2,
    "commit_batch": 1,
    "discard_batch": 1,
    "record_failure": 1,
    "evaluate_model": 1,
    "report_night": 1,
}


class Work:
    """The work of a task, which counts how often it is called, and may fail the first two times.

    It fails once before anything is done and once when all is done: both may befall a task.
    """

    def __init__(self, function: Callable[..., Any], *, fails: bool) -> None:
        functools.update_wrapper(self, function)  # Prefect looks at its parameters
        self.function = function
        self.fails = fails
        self.calls = 0
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        with self._lock:
            self.calls += 1
            call = self.calls
        if self.fails and call == 1:
            raise OSError("the disk was away for a moment")
        result = self.function(*arguments, **named)
        if self.fails and call == 2:
            raise OSError("the disk was away when all was done")
        return result


def runs_of_a_night(
    failing: set[str], root: DataRoot, monkeypatch: pytest.MonkeyPatch, preset: str
) -> dict[str, int]:
    """How often each task is run in a night in which some of them fail twice."""
    from flows.nightly import nightly
    from tasks import evaluate, ingest, pretrain, report, score, segment, train

    work = {}
    for name in RUNS:
        rooms = (evaluate, ingest, pretrain, report, score, segment, train)
        [task] = [getattr(room, name) for room in rooms if hasattr(room, name)]
        work[name] = Work(task.fn, fails=name in failing)
        monkeypatch.setattr(task, "fn", work[name])
        monkeypatch.setattr(task, "retry_delay_seconds", 0)
    with pytest.raises(BatchesStopped, match=r"unusable\.csv") as night:
        nightly("news", preset)
    batches = night.value.result["batches"]
    assert {one["batch"]: one["outcome"] for one in batches} == {
        "good.csv": "scored",
        "unusable.csv": "stopped",
    }
    predictions = root.store.path(root.predictions_of("good.csv"))
    rows = ds.dataset(predictions).to_table(columns=["row"]).column("row")
    assert rows.to_pylist() == list(range(5))
    assert root.store.open(root.failure_of("unusable.csv"))
    assert not root.store.path(root.predictions_of("unusable.csv")).exists()
    assert registry.versions(root) == [night.value.result["model"]]
    assert not list((root.store.directory / "superseded").glob("*"))
    assert len(root.store.list_documents(root.nightly_reports, ".html")) == 1
    return {name: one.calls for name, one in work.items()}


@pytest.fixture(autouse=True)
def inbox(
    root: DataRoot, corpus_file: Path, write_batch: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A corpus, and a batch that is good and one that is not."""
    from flows.ingest import ingest

    ingest(str(corpus_file), "news")
    write_batch(root.store.path(root.inbox) / "good.csv", TITLES)
    write_batch(root.store.path(root.inbox) / "unusable.csv", ["", " "])
    options = functools.partial(ScoreOptions, sizes=ChunkSizes(rows=3, small_batch_bytes=0))
    monkeypatch.setattr("flows.nightly.ScoreOptions", options)


@pytest.fixture
def pretrained_preset(small_preset: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """One that starts from vectors: it has all the tasks that there are."""
    preset = dataclasses.replace(PRESETS[small_preset], name="pretrained", pretrained=True)
    monkeypatch.setitem(PRESETS, preset.name, preset)
    return preset.name


def test_every_task_fails_twice_in_one_night(
    root: DataRoot, pretrained_preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = runs_of_a_night(set(RUNS), root, monkeypatch, pretrained_preset)
    assert runs == {name: times + 2 for name, times in RUNS.items()}


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("failing", RUNS)
def test_a_task_that_fails_twice_is_run_again_alone(
    root: DataRoot, pretrained_preset: str, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    runs = runs_of_a_night({failing}, root, monkeypatch, pretrained_preset)
    assert runs == RUNS | {failing: RUNS[failing] + 2}
