"""What a data root is for, done in a bucket."""

import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from headlines.errors import InputError
from headlines.evaluation.leaderboard import list_models
from headlines.evaluation.promotion import promote_by_force
from headlines.models import champion, registry
from headlines.nightly import history
from headlines.nightly.archive import archive
from headlines.nightly.inbox import read_inbox
from headlines.readers.rejects import read_rejects
from headlines.scoring import commit, prepare, read_files, score_chunks
from headlines.scoring.batch import resolve_batches
from headlines.scoring.batch_state import BatchState, batch_state
from headlines.scoring.chunks import chunk_refs
from headlines.scoring.predict import predict
from headlines.scoring.read_files import REJECTS_FILE, read_group
from headlines.settings import Settings
from headlines.storage import lineage
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tests.score import OPTIONS, make_jobs, score_options

from . import steps
from .conftest import RootOf, bucket_of, needs_conditions, object_names
from .faulty_proxy import FaultyProxy, at_random

TITLES = ["某地获奖", "天气很好", "发生车祸", "丰收喜讯", "公告路线", "火灾受伤"]


def upload(root: DataRoot, name: str, titles: list[str], tmp_path: Path) -> None:
    path = steps.write_titles(tmp_path / "uploads" / name, titles)
    bucket_of(root).upload(path, f"inbox/{name}")


def rows_of(root: DataRoot, batch: str) -> dict[int, str]:
    artifact = root.store.open(root.predictions_of(batch))
    assert artifact is not None
    rows = [row for path in artifact.files(".parquet") for row in pq.read_table(path).to_pylist()]
    assert len(rows) == artifact.counts["scored"]
    return {row["row"]: row["title"] for row in rows}


def test_predictions_are_those_of_a_local_data_root_to_the_byte(
    root_of: RootOf, tmp_path: Path, corpus_file: Path, small_preset: str
) -> None:
    here, there, local = root_of("here"), root_of("there"), DataRoot.open(tmp_path / "local")
    chance = np.random.default_rng(7)
    for root in (here, local):
        steps.train_first(root, corpus_file, small_preset)
    assert (
        champion.open_champion(there).manifest.files == champion.open_champion(local).manifest.files
    )
    for number in range(3):
        titles = [TITLES[chance.integers(6)] + str(n) for n in range(1 + 9 * number)]
        titles[:: 1 + number * 3] = [""] * len(titles[:: 1 + number * 3])
        name = f"2026-11-2{number}.csv"
        upload(here, name, titles, tmp_path)
        steps.write_titles(local.store.directory / local.inbox / name, titles)
    for root in (here, local):
        outcomes = [steps.score(root, batch) for batch in read_inbox(root).batches]
        assert outcomes == ["stopped", "scored", "scored"]
    for name_of in (local.predictions_of, local.rejects_of, local.failure_of):
        for number in range(3):
            found, expected = (
                root.store.open(name_of(f"2026-11-2{number}.csv")) for root in (there, local)
            )
            assert (found is None) is (expected is None)
            if found and expected:
                assert found.manifest.key == expected.manifest.key
                counts, others = found.counts, expected.counts
                assert {**counts, "where": ""} == {**others, "where": ""}
                for path, other in zip(found.files(), expected.files(), strict=True):
                    if path.suffix == ".parquet":  # a report names the location of the batch
                        assert path.read_bytes() == other.read_bytes()


def test_a_data_root_in_a_bucket_does_what_a_local_one_does(
    root_of: RootOf, tmp_path: Path, corpus_file: Path, small_preset: str
) -> None:
    here, there = root_of("here"), root_of("there")
    here.store.require_writable()
    assert registry.is_empty(here)
    with pytest.raises(InputError, match="no model"):
        champion.open_champion(here)
    model = steps.train_first(here, corpus_file, small_preset)
    assert steps.train_first(there, corpus_file, small_preset).reused
    version = model.version
    [listed] = list_models(there)
    assert (listed.version, listed.champion, listed.damaged) == (version, True, "")
    assert predict(TITLES).shape == (6, 3)
    upload(here, "sub/day.csv", TITLES, tmp_path)
    for part in ("a.csv", "b.csv"):
        upload(here, f"folder.csv/{part}", TITLES[:3], tmp_path)
    bucket_of(here).upload(b"", "inbox/sub")  # as programs mark a folder
    [folder, day] = read_inbox(here).batches
    assert (folder.name, day.name) == ("folder.csv", "sub/day.csv")
    assert [steps.score(here, batch) for batch in (folder, day)] == ["scored", "scored"]
    assert len(rows_of(there, "folder.csv")) == 6
    with there.store.listed(there.predictions, there.rejects, there.failures):
        states = [batch_state(there, batch) for batch in read_inbox(there).batches]
        assert there.store.collect_garbage() == 0
    assert states == [BatchState.SCORED, BatchState.SCORED]
    # A revision, seen by the other machine.
    upload(here, "sub/day.csv", TITLES[:2], tmp_path)
    [_, revised] = read_inbox(there).batches
    assert batch_state(there, revised) is BatchState.REVISED
    assert steps.score(there, revised) == "scored"
    assert len(rows_of(here, "sub/day.csv")) == 2
    assert len(here.store.list_artifacts("superseded/predictions")) == 1
    url = f"{here.url}/predictions/batch=sub%2Fday.csv"
    links = lineage.lineage(here, here.resolve(url))
    assert [link.problem for link in links] == [""] * len(links)
    # The inbox is emptied, and the way back leads to the archive.
    assert set(archive(there, 0).moved) == {"folder.csv", "sub/day.csv"}
    assert object_names(there, "inbox") == ["inbox/sub"]
    assert read_inbox(here).batches == []
    links = lineage.lineage(here, here.predictions_of("folder.csv"))
    assert "archived; it was inbox/folder.csv" in [link.note for link in links]
    assert [link.problem for link in links] == [""] * len(links)
    record = f"{here.nightly_reports}/2026.json"
    here.store.write_document(record, b"{}")
    assert there.store.list_documents(there.nightly_reports, ".json") == [record]
    assert history.recent_nights(there) == []  # it is not a record, which is only logged


def test_a_machine_without_local_copies_promotes_a_model(
    root_of: RootOf, corpus_file: Path, small_preset: str, publish_champion: Any
) -> None:
    here, there = root_of("here"), root_of("there")
    model = steps.train_first(here, corpus_file, small_preset)
    evaluation = steps.evaluate_model(here, model)
    assert steps.evaluate_model(there, champion.open_champion(there)).reused
    [listed] = list_models(root_of("third"))
    assert listed.evaluation == evaluation.location
    publish_champion(there)
    other = champion.open_champion(there)
    steps.evaluate_model(there, other)
    verdict = promote_by_force(root_of("fresh"), model.version)
    assert verdict.summary.startswith("forced: dev cross-entropy")
    assert champion.open_champion(here).version == model.version


def test_files_settle_by_the_clock_of_the_store(root: DataRoot, tmp_path: Path) -> None:
    upload(root, "a.csv", TITLES, tmp_path)
    assert list(read_inbox(root, settle_seconds=300).settling) == ["a.csv"]
    assert [batch.name for batch in read_inbox(root, settle_seconds=0).batches] == ["a.csv"]


def test_a_batch_is_named_by_its_url(root: DataRoot, tmp_path: Path) -> None:
    upload(root, "a.csv", TITLES, tmp_path)
    upload(root, "folder.csv/b.csv", TITLES, tmp_path)
    urls = [f"{root.url}/inbox/{name}" for name in ("a.csv", "folder.csv", "c.csv")]
    *paths, missing = (root.store.fetch(root.resolve(url)) for url in urls)
    batches = resolve_batches(root, paths, None)
    assert [batch.name for batch in batches] == ["a.csv", "folder.csv"]
    with pytest.raises(InputError, match="no such file") as caught:
        resolve_batches(root, [missing], None)
    assert caught.value.location == urls[2]
    with pytest.raises(InputError, match="not in the data root"):
        root.resolve("s3://elsewhere/a.csv")


def test_errors_of_a_batch_name_its_url(root: DataRoot) -> None:
    bucket_of(root).upload(b"text\nx\n", "inbox/a.csv")
    [batch] = read_inbox(root).batches
    for read in (prepare.check_first_row, prepare.prepare_batch):
        with pytest.raises(InputError, match="no column 'title'") as caught:
            read(root, batch, OPTIONS)
        assert caught.value.location == f"{root.url}/inbox/a.csv"


def test_a_batch_that_was_exchanged_is_not_archived(
    root_of: RootOf, tmp_path: Path, publish_champion: Callable[[DataRoot], None]
) -> None:
    here = root_of("here")
    publish_champion(here)
    upload(here, "a.csv", TITLES, tmp_path)
    [batch] = read_inbox(here).batches
    assert steps.score(here, batch) == "scored"
    bucket = bucket_of(here)
    real, copied = bucket.copy, []

    def copy(name: str, to: str) -> None:
        real(name, to)
        copied.append(to)
        upload(here, "a.csv", TITLES[:1], tmp_path)  # the revision comes this moment

    bucket.copy = copy  # type: ignore[method-assign]
    assert archive(here, 0).kept == {"changed meanwhile": 1}
    assert copied == ["archive/a.csv"]
    assert object_names(here, "inbox") == ["inbox/a.csv"]
    bucket.copy = real  # type: ignore[method-assign]
    [revised] = read_inbox(here).batches
    assert batch_state(here, revised) is BatchState.REVISED


@pytest.mark.parametrize("after", ["copy", "mark", "some"])
def test_an_archive_run_that_is_killed_loses_no_row(
    root_of: RootOf,
    tmp_path: Path,
    publish_champion: Callable[[DataRoot], None],
    after: str,
) -> None:
    here = root_of("here")
    publish_champion(here)
    for part in ("a.csv", "b.csv"):
        upload(here, f"day.csv/{part}", TITLES, tmp_path)
    [batch] = read_inbox(here).batches
    assert steps.score(here, batch) == "scored"
    bucket = bucket_of(here)
    real_upload, real_delete = bucket.upload, bucket.delete

    def upload_mark(source: Any, name: str) -> str:
        if after == "copy":
            raise KeyboardInterrupt
        return real_upload(source, name)

    def delete(deleted: Any) -> None:
        if after == "some":
            real_delete(list(deleted)[:1])
        raise KeyboardInterrupt

    bucket.upload, bucket.delete = upload_mark, delete  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        archive(here, 0)
    bucket.upload, bucket.delete = real_upload, real_delete  # type: ignore[method-assign]
    there = root_of("there")
    inbox = read_inbox(there)
    assert all(batch_state(there, batch) is BatchState.SCORED for batch in inbox.batches)
    assert archive(there, 0).moved == ({"day.csv": "day~1.csv"} if after == "copy" else {})
    assert object_names(there, "inbox") == []
    assert {"archive/day.csv/a.csv", "archive/day.csv/b.csv"} <= set(object_names(there, "archive"))


@pytest.fixture
def publish_champion(publish_model: Callable[..., Artifact]) -> Callable[[DataRoot], None]:
    def publish(root: DataRoot) -> None:
        publish_model(root, "2026-11-20-00000000")
        champion.promote(root, "2026-11-20-00000000", "by hand")

    return publish


def test_a_worker_elsewhere_scores_a_chunk(
    root_of: RootOf, tmp_path: Path, publish_champion: Callable[[DataRoot], None]
) -> None:
    here = DataRoot.open(root_of("here").url, Settings(runner="dask"))
    publish_champion(here)
    upload(here, "day.csv", TITLES, tmp_path)
    [batch] = read_inbox(here).batches
    model = champion.open_champion(here)
    prepared = prepare.prepare_batch(here, batch, steps.HALF)
    jobs = make_jobs(here, batch, prepared, steps.HALF)
    assert len(jobs) == 2
    root_of("worker")  # from here on, data roots are opened on that machine
    parts = [score_chunks.score_chunk(job) for job in pickle.loads(pickle.dumps(jobs))]
    assert not any(part.directory.is_relative_to(here.store.directory) for part in parts)
    commit.commit(here, batch, prepared, model, parts)
    assert rows_of(root_of("third"), "day.csv") == dict(enumerate(TITLES))
    assert object_names(here, ".work/shared") == []


def test_a_worker_elsewhere_reads_files_of_a_batch(
    root_of: RootOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = DataRoot.open(root_of("here").url, Settings(runner="dask"))
    options = score_options(read_group_bytes=1)
    upload(here, "day.csv/part-0.csv", [*TITLES, " "], tmp_path)
    upload(here, "day.csv/part-1.csv", TITLES, tmp_path)
    [batch] = read_inbox(here).batches
    groups = prepare._read_groups(here, batch, options)
    root_of("worker")  # from here on, data roots are opened on that machine
    read = [read_group(group) for group in pickle.loads(pickle.dumps(groups))]
    assert not any(part.directory.is_relative_to(here.store.directory) for part in read)
    monkeypatch.setattr(read_files, "read_files", lambda *_: pytest.fail("it was read again"))
    prepared = prepare.prepare_batch(here, batch, options)
    assert prepared.counts["rows_in"] == 2 * len(TITLES) + 1
    rejected = list(read_rejects(prepared.directory / REJECTS_FILE))
    assert [reject.row for reject in rejected] == [len(TITLES)]
    prepare.remove_prepared(here, batch, options, chunk_refs(prepared))
    assert object_names(here, ".work/shared") == []


@needs_conditions
def test_two_machines_that_score_one_batch_publish_it_once(
    root_of: RootOf, tmp_path: Path, publish_champion: Callable[[DataRoot], None]
) -> None:
    here, there = root_of("here"), root_of("there")
    publish_champion(here)
    upload(here, "day.csv", TITLES, tmp_path)
    for number in range(4):
        batches = [read_inbox(root).batches[0] for root in (here, there)]
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(steps.score, (here, there), batches, [OPTIONS, OPTIONS]))
        assert set(outcomes) <= {"scored", "reused"}
        assert number or "scored" in outcomes
        for root in (here, there, root_of(f"fresh {number}")):
            assert rows_of(root, "day.csv") == dict(enumerate(TITLES[number:]))
        assert len(object_names(here, "predictions")) == 2
        upload(here, "day.csv", TITLES[number + 1 :], tmp_path)


@needs_conditions
def test_of_two_machines_that_promote_none_overwrites_the_other(
    root_of: RootOf, publish_model: Callable[..., Any]
) -> None:
    here, there = root_of("here"), root_of("there")
    versions = [f"2026-11-{day}-0000000{day % 10}" for day in range(10, 18)]
    for seed, version in enumerate(versions):
        publish_model(here, version, seed=seed)
    champion.promote(here, versions[0], "by hand")
    start = threading.Barrier(2)

    def promote(root: DataRoot, mine: list[str]) -> None:
        start.wait()
        for version in mine:
            champion.promote(root, version, "by hand")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(promote, (here, there), (versions[1:4], versions[4:])))
    promoted = [promotion.version for promotion in champion.history(root_of("third"))]
    assert promoted[0] == versions[0]
    assert sorted(promoted) == versions
    assert [version for version in promoted if version in versions[1:4]] == versions[1:4]
    assert champion.open_champion(here).version == champion.open_champion(there).version


def test_a_judgement_that_another_machine_overtook_is_an_error(
    root_of: RootOf, publish_model: Callable[..., Any]
) -> None:
    here, there = root_of("here"), root_of("there")
    for seed, version in enumerate(("a", "b", "c")):
        publish_model(here, version, seed=seed)
    champion.promote(here, "a", "by hand")
    champion.promote(there, "b", "by hand")
    with pytest.raises(InputError, match="b became champion in the meantime"):
        champion.promote(here, "c", "better", instead_of="a")
    assert champion.rollback(here).version == "a"
    bucket_of(here).upload(b"{garbage", "models/champion.json")
    with pytest.raises(InputError, match="cannot be read"):
        champion.history(there)
    champion.promote(there, "c", "by hand")
    assert [promotion.version for promotion in champion.history(here)] == ["c"]
    assert any(".damaged~" in name for name in object_names(here, "models"))


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))]
)
def test_nothing_is_lost_or_doubled_if_a_fifth_of_requests_fails(
    root_of: RootOf,
    proxy: FaultyProxy,
    tmp_path: Path,
    corpus_file: Path,
    small_preset: str,
    seed: int,
) -> None:
    here = root_of("here")
    proxy.choose = at_random(seed, 0.2)
    steps.train_first(here, corpus_file, small_preset)
    upload(here, "day.csv", TITLES, tmp_path)
    [batch] = read_inbox(here).batches
    assert steps.score(here, batch) == "scored"
    upload(here, "day.csv", TITLES[1:], tmp_path)
    [revised] = read_inbox(here).batches
    assert steps.score(here, revised) == "scored"
    assert steps.score(here, revised) == "reused"
    assert archive(here, 0).moved == {"day.csv": "day.csv"}
    proxy.choose = lambda _method, _path: "pass"
    there = root_of("there")
    assert rows_of(there, "day.csv") == dict(enumerate(TITLES[1:]))
    assert object_names(there, "inbox") == []
    assert object_names(there, "archive") == ["archive/day.csv"]
    assert len(champion.history(there)) == 1
    [superseded] = there.store.list_artifacts("superseded/predictions")
    before = there.store.open(superseded)
    assert before is not None
    assert before.counts["scored"] == 6
    with there.store.listed(there.predictions, there.rejects, there.failures):
        there.store.collect_garbage()
    manifest = there.store.manifest(there.predictions_of("day.csv"))
    assert manifest is not None
    assert len(object_names(there, "predictions")) == len(manifest.files) + 1
    assert proxy.counts.total() > 2 * proxy.counts["pass"]


def test_the_command_line_works_on_a_bucket(
    root_of: RootOf, tmp_path: Path, publish_champion: Callable[[DataRoot], None]
) -> None:
    here = root_of("here")
    publish_champion(here)

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "flows", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **variables},
            cwd=Path(__file__).parents[4],
        )

    shutil.rmtree(here.store.directory)
    predicted = run("predict", "某地获奖")
    assert predicted.returncode == 0
    assert "某地获奖" in predicted.stdout
    wrong = run("archive", HEADLINES_DATA="s3://no-such-bucket/data")
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1
    assert "there is no such bucket (NoSuchBucket)" in wrong.stderr
    listed = run("models", "--json")
    assert '"evaluation": ""' in listed.stdout
    archived = run("archive", "--json")
    assert f'"directory": "{here.url}/archive"' in archived.stdout
    model = f"{here.url}/models/2026-11-20-00000000"
    assert "model models/2026-11-20-00000000" in run("lineage", model).stdout
    missing = run("lineage", f"{here.url}/models/none")
    assert f"headlines: {here.url}/models/none: there is no artifact" in missing.stderr
