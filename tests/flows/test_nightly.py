"""The whole job on a small corpus, under Prefect's test server."""

import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from headlines.errors import BatchesStopped, InputError
from headlines.models import champion, registry
from headlines.scoring.batch import Batch
from headlines.scoring.commit import commit
from headlines.scoring.prepare import prepare_batch
from headlines.scoring.score_chunks import PREDICTION_SCHEMA, score_chunk
from headlines.storage.data_root import DataRoot
from tests.score import OPTIONS, make_jobs

Writer = Callable[[Path, list[str]], Path]

pytestmark = pytest.mark.usefixtures("prefect_server")

TITLES = ["某地火灾三人受伤", "小学生获奖", "明日天气", "小学生获奖", "关于路线的公告"]


def file_bytes(directory: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(directory)): p.read_bytes()
        for p in sorted(directory.rglob("*"))
        if p.is_file()
    }


@pytest.fixture
def corpus(root: DataRoot, corpus_file: Path) -> str:
    from flows.ingest import ingest

    ingest(str(corpus_file), "news")
    return "news"


def test_a_second_night_reuses_everything(
    root: DataRoot, corpus: str, small_preset: str, write_batch: Writer
) -> None:
    from flows.nightly import nightly

    write_batch(root.store.path(root.inbox) / "2026-11-20.csv", TITLES)
    write_batch(root.store.path(root.inbox) / "late" / "2026-11-19.csv", TITLES[:2])
    (root.store.path(root.inbox) / "no-news.csv").write_text("id,title\n", encoding="utf-8")
    (root.store.path(root.inbox) / "notes.txt").write_text("no batch", encoding="utf-8")

    first = nightly(corpus, small_preset)

    outcomes = {batch["batch"]: batch["outcome"] for batch in first["batches"]}
    assert outcomes == {
        "2026-11-20.csv": "scored",
        "late/2026-11-19.csv": "scored",
        "no-news.csv": "empty",
    }
    assert list(first["skipped"]) == ["notes.txt"]
    assert champion.open_champion(root).version == first["model"]
    report = Path(first["report"]).read_text(encoding="utf-8")
    assert "2026-11-20.csv" in report
    assert TITLES[0] in report

    predictions = root.store.path(root.predictions_of("2026-11-20.csv"))
    table = pq.read_table(predictions / "part-00000.parquet", partitioning=None)
    assert table.schema.equals(PREDICTION_SCHEMA)
    assert table.column("title").to_pylist() == TITLES
    assert table.column("id").to_pylist() == [f"n-{n}" for n in range(5)]
    assert table.column("extra").to_pylist() == ['{"source":"搜狐"}'] * 5
    before = file_bytes(predictions)
    folders = [root.store.path(name) for name in (root.corpus("news"), "tokens")]
    made = [file_bytes(folder) for folder in folders]

    second = nightly(corpus, small_preset, fail_on_empty=True)

    assert (second["batches"], second["reused"]) == ([], 3)
    assert "3 scored before" in Path(second["report"]).read_text(encoding="utf-8")
    assert second["model"] == first["model"]
    assert file_bytes(predictions) == before
    assert [file_bytes(folder) for folder in folders] == made
    assert len(registry.versions(root)) == 1
    assert (root.store.work / "digests.json").is_file()  # the next night reads no batch again


def test_four_libraries_open_the_predictions_as_one_dataset(
    root: DataRoot, corpus: str, small_preset: str, write_batch: Writer
) -> None:
    from flows.nightly import nightly

    write_batch(root.store.path(root.inbox) / "2026-11-20.csv", TITLES)
    write_batch(root.store.path(root.inbox) / "late" / "2026-11-19.jsonl.csv", TITLES[:2])
    nightly(corpus, small_preset)

    expected = sorted(
        [("2026-11-20.csv", row) for row in range(5)]
        + [("late/2026-11-19.jsonl.csv", row) for row in range(2)]
    )
    folder = str(root.store.path(root.predictions))
    everything = f"{folder}/**/*.parquet"
    columns = ["batch", "row"]
    with_pandas = pd.read_parquet(folder)[columns]
    with_arrow = ds.dataset(folder, partitioning="hive").to_table(columns).to_pandas()
    with_duckdb = duckdb.sql(f"select batch, row from '{everything}'").df()
    with_polars = pl.read_parquet(everything, hive_partitioning=True).select(columns)
    for frame in (with_pandas, with_arrow, with_duckdb):
        assert sorted(frame.itertuples(index=False, name=None)) == expected
    assert sorted(with_polars.rows()) == expected


def test_a_batch_that_cannot_be_scored_keeps_no_other_waiting(
    root: DataRoot, corpus: str, small_preset: str, write_batch: Writer
) -> None:
    from flows.nightly import nightly

    bad = root.store.path(root.inbox) / "a-bad.csv"
    write_batch(bad, ["", "", "好消息"])
    write_batch(root.store.path(root.inbox) / "b-good.csv", TITLES)

    with pytest.raises(BatchesStopped, match=r"a-bad\.csv"):
        nightly(corpus, small_preset, max_rejects=0)

    assert root.store.open(root.predictions_of("b-good.csv")) is not None
    assert not root.store.path(root.predictions_of("a-bad.csv")).exists()
    failure = root.store.path(root.failure_of("a-bad.csv"))
    rejects = pq.read_table(failure / "rejects.parquet", partitioning=None)
    assert rejects.column("row").to_pylist() == [0, 1]
    assert rejects.column("raw").to_pylist() == ["n-0,,搜狐".encode(), "n-1,,搜狐".encode()]
    assert "title is blank" in (failure / "report.md").read_text("utf-8")

    waiting = nightly(corpus, small_preset)  # unchanged: not tried again, and no failure
    assert [b["outcome"] for b in waiting["batches"]] == ["waiting"]
    assert waiting["reused"] == 1

    write_batch(bad, TITLES)
    mended = nightly(corpus, small_preset)
    assert [b["outcome"] for b in mended["batches"]] == ["scored"]
    assert mended["reused"] == 1
    assert not root.store.path(root.failure_of("a-bad.csv")).exists()
    assert not root.store.path(root.rejects_of("a-bad.csv")).exists()


def test_a_settling_batch_is_left_for_the_next_night(
    root: DataRoot, corpus: str, small_preset: str, write_batch: Writer
) -> None:
    from flows.nightly import nightly

    old = write_batch(root.store.path(root.inbox) / "old.csv", TITLES)
    os.utime(old, (0, 0))
    new = write_batch(root.store.path(root.inbox) / "new.csv" / "part-0.csv", TITLES[:2]).parent
    (root.store.path(root.inbox) / "upload.csv.part").write_text("title", encoding="utf-8")

    first = nightly(corpus, small_preset, settle_seconds=3600)

    outcomes = {batch["batch"]: batch["outcome"] for batch in first["batches"]}
    assert outcomes == {"old.csv": "scored", "new.csv": "settling"}
    assert "still being written" in first["skipped"]["upload.csv.part"]
    report = Path(first["report"]).read_text(encoding="utf-8")
    assert "left for the next night" in report
    assert not root.store.path(root.predictions_of("new.csv")).exists()

    write_batch(new / "part-1.csv", TITLES[2:])  # it was indeed not whole
    second = nightly(corpus, small_preset)
    assert [(batch["batch"], batch["scored"]) for batch in second["batches"]] == [("new.csv", 5)]
    assert second["reused"] == 1


def test_a_backfill_scores_the_given_days_once(
    root: DataRoot, corpus: str, small_preset: str, write_batch: Writer
) -> None:
    from flows.nightly import nightly

    for day in (18, 19, 20, 21):
        write_batch(root.store.path(root.inbox) / f"2026-11-{day}.csv", TITLES[: day % 4 + 1])
    write_batch(root.store.path(root.inbox) / "undated.csv", TITLES)
    first, last = date(2026, 11, 19), date(2026, 11, 20)

    some = nightly(corpus, small_preset, first_day=first, last_day=last)
    assert [batch["batch"] for batch in some["batches"]] == ["2026-11-19.csv", "2026-11-20.csv"]
    assert some["left_out"] == {"of other days": 2, "without a day": 1}

    made = file_bytes(root.store.path(root.predictions))
    rest = nightly(corpus, small_preset)  # nights in any order leave nothing out
    assert [batch["batch"] for batch in rest["batches"]] == [
        "2026-11-18.csv", "2026-11-21.csv", "undated.csv",
    ]  # fmt: skip
    assert rest["reused"] == 2
    assert not (root.store.directory / "superseded").exists()
    assert made.items() <= file_bytes(root.store.path(root.predictions)).items()


def test_a_night_reuses_what_another_run_scores_meanwhile(
    root: DataRoot,
    corpus: str,
    small_preset: str,
    write_batch: Writer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from flows.nightly import nightly
    from headlines.scoring import run_batch

    nightly(corpus, small_preset)
    batch = Batch.of_file(root, write_batch(root.store.path(root.inbox) / "a.csv", TITLES))
    model = champion.open_champion(root)
    found_due = threading.Event()
    claim = run_batch.claim

    def claim_soon(root: DataRoot, batch: Batch) -> Any:
        found_due.set()
        return claim(root, batch)

    monkeypatch.setattr(run_batch, "claim", claim_soon)
    with ThreadPoolExecutor(1) as runs:
        with claim(root, batch):
            night = runs.submit(nightly, corpus, small_preset)
            assert found_due.wait(300)
            prepared = prepare_batch(root, batch, OPTIONS)
            scored = [score_chunk(job) for job in make_jobs(root, batch, prepared)]
            commit(root, batch, prepared, model, scored)
            made = file_bytes(root.store.path(root.predictions))
        result = night.result()

    assert (result["batches"], result["reused"]) == ([], 1)
    assert file_bytes(root.store.path(root.predictions)) == made
    assert not (root.store.directory / "superseded").exists()


def test_a_lost_or_unreadable_champion_stops_the_night(
    root: DataRoot, corpus: str, small_preset: str, write_batch: Writer
) -> None:
    from flows.nightly import nightly

    model = nightly(corpus, small_preset)["model"]
    pointer = root.store.path(root.champion)
    weights = root.store.path(root.model(model)) / "weights.safetensors"
    write_batch(root.store.path(root.inbox) / "a.csv", TITLES)
    whole = {path: path.read_bytes() for path in (pointer, weights)}
    for harm, problem in (
        (pointer.unlink, "no champion.json says which"),
        (lambda: pointer.write_bytes(whole[pointer][:-9]), "champion pointer cannot be read"),
        (lambda: weights.write_bytes(whole[weights][:-9]), "the model is damaged"),
        (lambda: weights.parent.rename(root.store.directory / "moved"), "there is no model"),
    ):
        for path, content in whole.items():
            path.write_bytes(content)
        harm()
        with pytest.raises(InputError, match=problem) as refusal:
            nightly(corpus, small_preset)
        assert str(root.store.path(root.models)) in refusal.value.location
        assert refusal.value.hint
        assert not root.store.path(root.predictions).exists()
        assert len(registry.versions(root)) <= 1  # none was trained in its place


def test_importing_flows_loads_no_prefect_and_no_tensorflow() -> None:
    code = "import flows, flows.cli.commands, sys; print([m for m in sys.modules if m in wanted])"
    code = "wanted = {'prefect', 'tensorflow', 'pandas', 'pyarrow', 'jieba', 'numpy'}; " + code
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert shown == "[]\n"


def test_a_night_without_a_report_is_reported_by_the_next(
    root: DataRoot,
    corpus: str,
    small_preset: str,
    write_batch: Writer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from flows import nightly as module

    write_batch(root.store.path(root.inbox) / "2026-11-20.csv", TITLES)
    with monkeypatch.context() as broken:
        broken.setattr(
            module, "summarize", lambda *_: 1 / 0
        )  # as if it was killed behind the scoring
        with pytest.raises(ZeroDivisionError):
            module.nightly(corpus, small_preset)
    assert (root.store.path(root.predictions_of("2026-11-20.csv")) / "_manifest.json").exists()
    assert not list(root.store.path(root.nightly_reports).glob("*"))

    night = module.nightly(corpus, small_preset)
    assert [(batch["batch"], batch["outcome"]) for batch in night["batches"]] == [
        ("2026-11-20.csv", "scored")
    ]
    assert night["profile"]["rows"] == len(TITLES)
    assert module.nightly(corpus, small_preset)["reused"] == 1


def test_a_lost_group_is_scored_batch_by_batch_and_counted(
    root: DataRoot,
    corpus: str,
    small_preset: str,
    write_batch: Writer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from flows.nightly import nightly
    from headlines.scoring import batch_groups

    for number in range(3):
        write_batch(root.store.path(root.inbox) / f"{number}.csv", TITLES[: number + 1])
    score_group = batch_groups.score_group

    def lose_worker(group: batch_groups.BatchGroup) -> batch_groups.GroupResult:
        score_group(dataclasses.replace(group, batches=group.batches[:1]))
        raise OSError("the worker is gone")

    monkeypatch.setattr(batch_groups, "score_group", lose_worker)
    night = nightly(corpus, small_preset)
    results = [(b["batch"], b["outcome"], b["scored"]) for b in night["batches"]]
    assert results == [("0.csv", "scored", 1), ("1.csv", "scored", 2), ("2.csv", "scored", 3)]
    assert night["reused"] == 0
