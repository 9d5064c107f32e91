"""Scoring batches under Prefect's test server: once, again, revised, stopped, retried."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from headlines.errors import BatchesStopped, InputError
from headlines.models import champion, registry
from headlines.scoring import score_chunks
from headlines.scoring.options import ChunkSizes, ScoreOptions
from headlines.scoring.score_chunks import ScoreJob
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot

Writer = Callable[[Path, list[str]], Path]

pytestmark = pytest.mark.usefixtures("prefect_server")

TITLES = ["某地火灾三人受伤", "小学生获奖", "明日天气", "小学生获奖", "关于路线的公告", "喜讯"]


@pytest.fixture
def first_champion(root: DataRoot, corpus_file: Path, small_preset: str) -> Artifact:
    """A model trained on the small corpus."""
    from flows.ingest import ingest
    from flows.train import train

    ingest(str(corpus_file), "news")
    train(small_preset, "news")
    return champion.open_champion(root)


def score(*files: Path, **options: Any) -> list[dict[str, Any]]:
    from flows.score import score as flow

    batches: list[dict[str, Any]] = flow([str(file) for file in files], **options)["batches"]
    return batches


@pytest.mark.usefixtures("first_champion")
def test_the_same_batch_twice_is_scored_once(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    file = write_batch(tmp_path / "batch.csv", TITLES)

    [first] = score(file)
    assert first["outcome"] == "scored"
    assert (first["rows_in"], first["scored"], first["rejected"]) == (6, 6, 0)
    made = root.store.open(root.predictions_of("batch.csv"))

    [second] = score(file)
    assert second == first | {"outcome": "reused"}
    assert root.store.open(root.predictions_of("batch.csv")) == made


@pytest.mark.usefixtures("first_champion")
def test_a_revised_batch_is_scored_and_old_predictions_are_kept(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    file = write_batch(tmp_path / "batch.csv", [*TITLES, *TITLES, ""])
    score(file, max_reject_rate=0.5)
    write_batch(file, TITLES[:3])

    [revised] = score(file)

    assert revised["scored"] == 3
    predictions = root.store.path(root.predictions_of("batch.csv"))
    assert pq.read_table(predictions, partitioning=None).num_rows == 3
    superseded = root.store.open("superseded/predictions/batch=batch.csv~1")
    assert superseded is not None
    assert superseded.rows == 12
    assert not root.store.path(root.rejects_of("batch.csv")).exists()


@pytest.mark.usefixtures("first_champion")
def test_damaged_predictions_are_set_aside_and_made_again(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    file = write_batch(tmp_path / "batch.csv", TITLES)
    score(file)
    part = root.store.path(root.predictions_of("batch.csv")) / "part-00000.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:-1])

    [again] = score(file)

    assert again["outcome"] == "scored"
    assert part.read_bytes() == whole


def test_rescore_replaces_what_another_model_scored(
    root: DataRoot,
    tmp_path: Path,
    first_champion: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    write_batch: Writer,
) -> None:
    from dataclasses import replace

    from flows.train import train
    from lstm_model.presets import PRESETS

    file = write_batch(tmp_path / "batch.csv", TITLES)
    score(file)
    monkeypatch.setitem(PRESETS, "other", replace(PRESETS["small"], name="other", seed=7))
    train("other", "news", promote=False)
    assert champion.open_champion(root).version == first_champion.version
    [challenger] = set(registry.versions(root)) - {first_champion.version}
    champion.promote(root, challenger, "a test")

    assert score(file)[0]["model"] == first_champion.version  # a promotion makes nothing due
    assert score(file, rescore=True)[0]["model"] == challenger
    assert (root.store.directory / "superseded/predictions/batch=batch.csv~1").is_dir()


@pytest.mark.usefixtures("first_champion")
def test_a_stopped_batch_waits_until_it_is_released(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    file = write_batch(tmp_path / "batch.csv", [*TITLES, "", " "])

    with pytest.raises(InputError, match=r"2 of 8 rows \(25\.0%\).*title is blank \(2\)"):
        score(file, max_rejects=1)
    with pytest.raises(InputError, match="stopped before and has not changed"):
        score(file)
    with pytest.raises(InputError, match="2 of 8 rows"):
        score(file, max_rejects=0, release=True)
    assert not root.store.path(root.predictions_of("batch.csv")).exists()

    [scored] = score(file, max_reject_rate=0.3, release=True)
    assert (scored["scored"], scored["rejected"]) == (6, 2)
    assert not root.store.path(root.failure_of("batch.csv")).exists()


@pytest.mark.usefixtures("first_champion")
def test_a_batch_without_rows_fails_only_if_asked(tmp_path: Path) -> None:
    file = tmp_path / "batch.csv"
    file.write_text("id,title\n", encoding="utf-8")
    assert score(file)[0]["outcome"] == "empty"
    with pytest.raises(BatchesStopped, match=r"^empty: batch\.csv$"):
        score(file, fail_on_empty=True)


@pytest.mark.usefixtures("first_champion")
def test_a_chunk_that_fails_twice_is_tried_again_alone(
    root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_batch: Writer
) -> None:
    options = partial(ScoreOptions, sizes=ChunkSizes(rows=2))
    monkeypatch.setattr("flows.score.ScoreOptions", options)
    tries: list[int] = []
    score_chunk = score_chunks.score_chunk

    def failing(job: ScoreJob) -> Artifact:
        tries.append(job.chunk.number)
        if job.chunk.number == 1 and tries.count(1) <= 2:
            raise OSError("the disk was away for a moment")
        return score_chunk(job)

    monkeypatch.setattr(score_chunks, "score_chunk", failing)
    file = write_batch(tmp_path / "batch.csv", TITLES)

    [result] = score(file)

    assert result["scored"] == 6
    assert sorted(tries) == [0, 1, 1, 1, 2]
    predictions = root.store.path(root.predictions_of("batch.csv"))
    rows = pq.read_table(predictions, partitioning=None).column("row")
    assert rows.to_pylist() == list(range(6))
    assert not any((root.store.work / "chunks").iterdir())


@pytest.mark.usefixtures("first_champion")
def test_one_bad_file_does_not_keep_the_others_from_being_scored(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    bad = write_batch(tmp_path / "bad.csv", ["", ""])
    good = write_batch(tmp_path / "good.csv", TITLES)

    with pytest.raises(BatchesStopped, match=r"bad\.csv") as stopped:
        score(bad, good)
    outcomes = [batch["outcome"] for batch in stopped.value.result["batches"]]
    assert outcomes == ["stopped", "scored"]
    assert root.store.open(root.predictions_of("good.csv")) is not None


@pytest.mark.usefixtures("first_champion")
def test_a_namesake_from_elsewhere_does_not_replace_a_batch(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    first = write_batch(tmp_path / "mon" / "n.csv", TITLES)
    other = write_batch(tmp_path / "tue" / "n.csv", TITLES[:2])
    score(first)
    with pytest.raises(InputError, match="--batch NAME"):
        score(other)
    assert score(other, batch="tue.csv")[0]["scored"] == 2
    assert score(other, batch="n.csv")[0]["scored"] == 2  # a revision, by express wish


@pytest.mark.usefixtures("first_champion")
def test_several_files_are_one_batch_and_so_is_a_folder(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    files = [write_batch(tmp_path / "x" / f"{n}.csv", TITLES[n : n + 3]) for n in (0, 3)]

    [together] = score(*files, batch="x.csv")
    assert (together["batch"], together["rows_in"], together["scored"]) == ("x.csv", 6, 6)
    table = pq.read_table(root.store.path(root.predictions_of("x.csv")), partitioning=None)
    assert table.column("row").to_pylist() == list(range(6))
    assert table.column("title").to_pylist() == TITLES

    [folder] = score(tmp_path / "x", batch="x.csv")
    assert folder["outcome"] == "reused"  # the same files
    (tmp_path / "x" / "3.csv").unlink()
    [revised] = score(tmp_path / "x", batch="x.csv")
    assert (revised["outcome"], revised["scored"]) == ("scored", 3)
    assert (root.store.directory / "superseded/predictions/batch=x.csv~1").is_dir()
