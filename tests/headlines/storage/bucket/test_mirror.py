import json
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from headlines.errors import DamagedArtifact
from headlines.storage import artifact
from headlines.storage.artifact import (
    Artifact,
    find_valid,
    list_artifacts,
    open_artifact,
    read_manifest,
    remove,
    verify,
)
from headlines.storage.bucket import surveying
from headlines.storage.bucket.garbage import collect_garbage
from headlines.storage.bucket.surveying import surveyed
from headlines.storage.layout import Catalog
from headlines.storage.manifest import MANIFEST

from .conftest import KEYS, mirror_of_bucket, names
from .example import make
from .faulty_proxy import FaultyProxy, first

Machine = Callable[[str], Catalog]


def text_of(made: Artifact) -> str:
    return (made.directory / "notes/说明.txt").read_text(encoding="utf-8")


def test_what_one_machine_publishes_another_opens(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    made = make(here, "eins")
    assert not made.reused
    opened = open_artifact(there.prediction("a.csv"))
    assert opened is not None
    assert opened.manifest == made.manifest
    assert text_of(opened) == "eins"
    assert make(there, "eins").reused
    assert list_artifacts(there.predictions) == [there.prediction("a.csv")]
    assert read_manifest(there.prediction("b.csv")) is None
    assert open_artifact(there.prediction("b.csv")) is None


def test_the_files_are_those_of_a_local_data_root(catalog: Catalog, tmp_path: Path) -> None:
    local = Catalog(tmp_path / "local")
    made, beside = make(catalog, "eins"), make(local, "eins")
    assert made.manifest.files == beside.manifest.files
    assert [p.read_bytes() for p in made.files()] == [p.read_bytes() for p in beside.files()]


def test_a_replacement_is_seen_by_other_machines_and_what_it_replaced_is_kept(
    machine: Machine,
) -> None:
    here, there = machine("here"), machine("there")
    make(here, "eins")
    assert open_artifact(there.prediction("a.csv"))
    make(here, "zwei", keep_superseded=True)
    opened = open_artifact(there.prediction("a.csv"))
    assert opened is not None
    assert text_of(opened) == "zwei"
    assert len(names(there, "predictions")) == 3  # its two parts and its manifest, no others
    [kept] = list_artifacts(there.root / "superseded/predictions")
    before = open_artifact(kept)
    assert before is not None
    assert text_of(before) == "eins"


def test_what_was_removed_is_gone_everywhere_and_can_come_again(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    make(here, "eins")
    assert open_artifact(there.prediction("a.csv"))
    remove(here, here.prediction("a.csv"))
    assert read_manifest(there.prediction("a.csv")) is None
    assert not there.prediction("a.csv").exists()
    assert list_artifacts(there.predictions) == []
    assert not make(there, "eins").reused
    assert text_of(make(here, "eins")) == "eins"


def test_a_copy_that_is_damaged_here_is_brought_again(catalog: Catalog) -> None:
    made = make(catalog, "eins")
    for harm in (
        lambda path: path.write_bytes(path.read_bytes()[::-1]),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
    ):
        harm(made.directory / "part-00000.parquet")
        opened = open_artifact(made.directory)
        assert opened is not None
        assert pq.read_table(opened.files(".parquet")[0]).num_rows == 3
    (made.directory / MANIFEST).write_text("{}")
    assert open_artifact(made.directory)
    assert make(catalog, "eins").reused


@pytest.mark.parametrize("seen_by", [verify, open_artifact])
def test_a_part_that_is_damaged_in_the_bucket_is_found(
    machine: Machine, seen_by: Callable[[Path], Artifact | None]
) -> None:
    here, there = machine("here"), machine("there")
    make(here, "eins")
    bucket = mirror_of_bucket(here).bucket
    [part] = [name for name in names(here, "predictions") if name.endswith(".txt")]
    bucket.upload(b"zwei", part)  # of the same size
    with pytest.raises(DamagedArtifact, match="is not what the manifest says"):
        seen_by(there.prediction("a.csv"))
    bucket.delete([part])
    with pytest.raises(DamagedArtifact):
        seen_by(there.prediction("a.csv"))
    assert (
        find_valid(there, there.prediction("a.csv"), make(here, "drei", "b.csv").manifest.key)
        is None
    )


def test_what_is_damaged_in_the_bucket_is_set_aside_and_made_anew(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    key = make(here, "eins").manifest.key
    bucket = mirror_of_bucket(here).bucket
    target = there.prediction("a.csv")
    [part] = [name for name in names(here, "predictions") if name.endswith(".txt")]
    bucket.upload(b"zwei", part)
    assert find_valid(there, target, key) is None
    assert read_manifest(target) is None
    [aside] = [name for name in names(there, ".work/damaged") if name.endswith(".txt")]
    kept = bucket.read(aside)
    assert kept is not None
    assert kept.body == b"zwei"
    assert not make(there, "eins").reused
    bucket.upload(b"{garbage", f"predictions/batch=a.csv/{MANIFEST}")
    with pytest.raises(DamagedArtifact):
        read_manifest(target)
    assert not make(there, "eins").reused
    assert text_of(make(here, "eins")) == "eins"


def test_a_local_data_root_that_was_copied_into_a_bucket_opens(
    catalog: Catalog, tmp_path: Path
) -> None:
    local = Catalog(tmp_path / "local")
    made = make(local, "eins")
    bucket = mirror_of_bucket(catalog).bucket
    for path in made.directory.rglob("*"):
        if path.is_file():
            bucket.upload(path, path.relative_to(local.root).as_posix())
    opened = verify(catalog.prediction("a.csv"))
    assert opened is not None
    assert opened.manifest == made.manifest
    assert text_of(make(catalog, "eins")) == "eins"
    make(catalog, "zwei", keep_superseded=True)
    assert len(names(catalog, "predictions")) == 3


def test_predictions_open_as_one_dataset(catalog: Catalog, s3_server: str, tmp_path: Path) -> None:
    make(catalog, "eins", "a.csv", notes=False)
    make(catalog, "zwei", "sub/b.csv", notes=False)
    make(catalog, "drei", "a.csv", notes=False, keep_superseded=True)
    expected = {("a.csv", "drei"), ("sub/b.csv", "zwei")}
    address = catalog.address.removeprefix("s3://")
    store = pa.fs.S3FileSystem(
        endpoint_override=s3_server,
        access_key=KEYS[0],
        secret_key=KEYS[1],
        region="us-east-1",
    )
    table = ds.dataset(
        f"{address}/predictions", filesystem=store, format="parquet", partitioning="hive"
    ).to_table()
    rows = {(row["batch"], row["title"]) for row in table.to_pylist()}
    assert rows == expected
    assert len(table) == 6
    bucket = mirror_of_bucket(catalog).bucket
    for name in names(catalog, "predictions"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        bucket.download(name, tmp_path / name)
    found = duckdb.sql(
        f"select distinct batch, title from read_parquet('{tmp_path}/predictions/**/*.parquet', "
        "hive_partitioning=true)"
    ).fetchall()
    assert set(found) == expected


def test_a_survey_asks_once_for_many_batches(proxy: FaultyProxy, machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    for number in range(12):
        make(here, str(number), f"{number}.csv")
    with surveyed(there):  # brings their manifests
        pass
    remove(here, here.prediction("7.csv"))
    make(here, "neu", "8.csv")
    before = proxy.counts["GET"]
    with surveyed(there):
        found = [verify(there.prediction(f"{number}.csv")) for number in range(20)]
    assert proxy.counts["GET"] - before == 3 + 1  # a listing a folder, and what is new
    assert [number for number, one in enumerate(found) if one is None] == [7, *range(12, 20)]
    assert found[8] is not None
    assert found[8].manifest.config == {"content": "neu"}


def test_within_a_survey_what_is_published_or_claimed_is_asked_for_again(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    with surveyed(there):
        assert verify(there.prediction("a.csv")) is None
        make(here, "eins")
        assert verify(there.prediction("a.csv")) is None  # as it was when it was listed
        surveying.forget(there.prediction("a.csv"))
        assert verify(there.prediction("a.csv"))
        assert not make(there, "zwei").reused
        found = read_manifest(there.prediction("a.csv"))
        assert found is not None
        assert found.config == {"content": "zwei"}
        remove(there, there.prediction("a.csv"))
        assert read_manifest(there.prediction("a.csv")) is None


PUBLISH = """
    import sys
    from tests.headlines.storage.bucket.example import make
    from headlines.storage.layout import Catalog
    made = make(Catalog.from_environment(), sys.argv[1], keep_superseded=True)
"""


@pytest.mark.parametrize(
    "request_number",
    [3, 5, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 2, 4, 6, 7))],
)
def test_a_writer_that_is_killed_leaves_the_artifact_before_or_the_new_one(
    machine: Machine, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, request_number: int
) -> None:
    here = machine("here")
    make(here, "eins")
    machine("killed")
    child: list[subprocess.Popen[bytes]] = []
    seen: list[str] = []

    def choose(method: str, path: str) -> str:
        if method in ("PUT", "POST", "DELETE"):
            seen.append(path)
            if len(seen) == request_number:
                child[0].send_signal(signal.SIGKILL)
                child[0].wait()
                return "reset after"
        return "pass"

    proxy.choose = choose
    script = textwrap.dedent(PUBLISH)
    child.append(
        subprocess.Popen([sys.executable, "-c", script, "zwei"], cwd=Path(__file__).parents[4])
    )
    child[0].wait(timeout=60)
    assert child[0].returncode == -signal.SIGKILL
    proxy.choose = lambda _method, _path: "pass"
    fresh = machine("fresh")
    opened = open_artifact(fresh.prediction("a.csv"))
    assert opened is not None
    assert text_of(opened) in ("eins", "zwei")
    assert text_of(make(fresh, "zwei", keep_superseded=True)) == "zwei"
    with surveyed(fresh):
        collect_garbage(fresh)
    kept = [open_artifact(one) for one in list_artifacts(fresh.root / "superseded/predictions")]
    assert [text_of(one) for one in kept if one] == ["eins"]


def test_parts_that_no_manifest_names_are_swept_and_no_others(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(catalog, "eins")
    bucket = mirror_of_bucket(catalog).bucket
    folder = "predictions/batch=a.csv"
    kept = names(catalog, folder)
    orphan = f"{folder}/part-00000-{'0' * 16}.parquet"
    lone = f"predictions/batch=new.csv/part-00000-{'1' * 16}.parquet"
    for name in (orphan, lone):
        bucket.upload(b"PAR1", name)
    with surveyed(catalog):
        assert collect_garbage(catalog) == 0  # they may be of a writer that is at work
    written = bucket.list(folder)

    def older(self: Any, listed: str) -> Any:
        found = real(self, listed)
        return [_aged(one) if one.name in (orphan, lone) else one for one in found]

    real = type(bucket).list
    monkeypatch.setattr(type(bucket), "list", older)
    with surveyed(catalog):
        assert collect_garbage(catalog) == 2
    monkeypatch.undo()
    assert names(catalog, folder) == kept
    assert len(written) == len(kept) + 1
    assert open_artifact(made.directory)


def _aged(one: Any) -> Any:
    return type(one)(one.name, one.etag, one.size, datetime.now(UTC) - timedelta(days=2))


def test_the_mirror_says_of_which_bucket_it_is_and_no_more(
    catalog: Catalog, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(catalog, "eins")
    for path in catalog.root.rglob("*"):
        if path.is_file():
            assert b"wJalr" not in path.read_bytes()
    assert (catalog.root / ".bucket-address").read_text() == f"s3://{bucket}/data\n"
    note = json.loads((catalog.prediction("a.csv") / ".bucket.json").read_text())
    assert set(note) == {"etag", "writer", "etags", "live"}
    monkeypatch.setenv("HEADLINES_DATA", str(catalog.root))  # as for the worker of a server
    shutil.rmtree(catalog.predictions)
    again = Catalog.from_environment()
    assert open_artifact(again.prediction("a.csv"))


def test_a_read_that_a_replacement_overtakes_gives_the_new_artifact(
    machine: Machine, proxy: FaultyProxy
) -> None:
    here, there = machine("here"), machine("there")
    make(here, "eins")
    replaced: list[Artifact] = []

    def replace(method: str, path: str) -> str:
        if method == "GET" and ".parquet" in path and not replaced:
            proxy.choose = lambda _method, _path: "pass"
            replaced.append(make(here, "zwei"))
        return "pass"

    proxy.choose = replace
    opened = open_artifact(there.prediction("a.csv"))
    assert replaced
    assert opened is not None
    assert text_of(opened) == "zwei"


def test_a_local_data_root_needs_no_obstore(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        sys.modules["obstore"] = None
        from tests.headlines.storage.bucket.example import make
        from headlines.storage.layout import Catalog
        made = make(Catalog(Path(sys.argv[1])), "eins")
    """)
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "data"],
        cwd=Path(__file__).parents[4],
        check=True,
    )
    assert artifact.open_artifact(Catalog(tmp_path / "data").prediction("a.csv"))


def test_lost_answers_of_a_publisher_do_no_harm(machine: Machine, proxy: FaultyProxy) -> None:
    here = machine("here")
    proxy.choose = first("PUT", MANIFEST, "reset after")
    assert not make(here, "eins").reused
    assert proxy.counts["reset after"] == 1
    assert len(names(here, "predictions")) == 3
    assert text_of(make(here, "eins")) == "eins"
