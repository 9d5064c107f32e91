import errno
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from headlines.errors import DamagedArtifact
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import MANIFEST

from .conftest import KEYS, RootOf, bucket_of, object_names
from .example import publish_example
from .faulty_proxy import FaultyProxy, first

A = "predictions/batch=a.csv"


def text_of(made: Artifact) -> str:
    return (made.directory / "notes/说明.txt").read_text(encoding="utf-8")


def test_what_one_machine_publishes_another_opens(root_of: RootOf) -> None:
    here, there = root_of("here"), root_of("there")
    made = publish_example(here, "eins")
    assert not made.reused
    opened = there.store.open(A)
    assert opened is not None
    assert opened.manifest == made.manifest
    assert text_of(opened) == "eins"
    assert publish_example(there, "eins").reused
    assert there.store.list_artifacts("predictions") == [A]
    assert there.store.manifest("predictions/batch=b.csv") is None
    assert there.store.open("predictions/batch=b.csv") is None


def test_the_files_are_those_of_a_local_data_root(root: DataRoot, tmp_path: Path) -> None:
    local = DataRoot.open(tmp_path / "local")
    made, expected = publish_example(root, "eins"), publish_example(local, "eins")
    assert made.manifest.files == expected.manifest.files
    assert [p.read_bytes() for p in made.files()] == [p.read_bytes() for p in expected.files()]


def test_other_machines_see_a_replacement_and_the_old_is_kept(
    root_of: RootOf,
) -> None:
    here, there = root_of("here"), root_of("there")
    publish_example(here, "eins")
    assert there.store.open(A)
    publish_example(here, "zwei", keep_old=True)
    opened = there.store.open(A)
    assert opened is not None
    assert text_of(opened) == "zwei"
    assert len(object_names(there, "predictions")) == 3  # its two parts and its manifest, no others
    [kept] = there.store.list_artifacts("superseded/predictions")
    before = there.store.open(kept)
    assert before is not None
    assert text_of(before) == "eins"


def test_what_was_removed_is_gone_everywhere_and_can_come_again(root_of: RootOf) -> None:
    here, there = root_of("here"), root_of("there")
    publish_example(here, "eins")
    assert there.store.open(A)
    here.store.remove(A)
    assert there.store.manifest(A) is None
    assert there.store.open(A) is None
    assert there.store.list_artifacts("predictions") == []
    assert not publish_example(there, "eins").reused
    assert text_of(publish_example(here, "eins")) == "eins"


def test_a_copy_that_is_damaged_here_is_brought_again(root: DataRoot) -> None:
    made = publish_example(root, "eins")
    for harm in (
        lambda path: path.write_bytes(path.read_bytes()[::-1]),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
    ):
        harm(made.directory / "part-00000.parquet")
        opened = root.store.open(A)
        assert opened is not None
        assert pq.read_table(opened.files(".parquet")[0]).num_rows == 3
    for path in (root.store.directory / "cache/manifests").iterdir():
        path.write_text("{}")
    assert root.store.open(A)
    assert publish_example(root, "eins").reused


@pytest.mark.parametrize("seen_by", ["verify", "open"])
def test_a_part_that_is_damaged_in_the_bucket_is_found(root_of: RootOf, seen_by: str) -> None:
    here, there = root_of("here"), root_of("there")
    publish_example(here, "eins")
    [part] = [name for name in object_names(here, "predictions") if name.endswith(".txt")]
    bucket_of(here).upload(b"zwei", part)  # of the same size
    with pytest.raises(DamagedArtifact, match="is not what the manifest says"):
        getattr(there.store, seen_by)(A)
    bucket_of(here).delete([part])
    with pytest.raises(DamagedArtifact):
        getattr(there.store, seen_by)(A)
    other = publish_example(here, "drei", "b.csv").manifest.key
    assert there.store.find(A, other) is None


def test_damage_in_the_bucket_is_quarantined_and_rebuilt(root_of: RootOf) -> None:
    here, there = root_of("here"), root_of("there")
    key = publish_example(here, "eins").manifest.key
    bucket = bucket_of(here)
    [part] = [name for name in object_names(here, "predictions") if name.endswith(".txt")]
    bucket.upload(b"zwei", part)
    assert there.store.find(A, key) is None
    assert there.store.manifest(A) is None
    [quarantined] = [name for name in object_names(there, ".work/damaged") if name.endswith(".txt")]
    kept = bucket.read(quarantined)
    assert kept is not None
    assert kept.body == b"zwei"
    assert not publish_example(there, "eins").reused
    bucket.upload(b"{garbage", f"predictions/batch=a.csv/{MANIFEST}")
    with pytest.raises(DamagedArtifact):
        there.store.manifest(A)
    assert not publish_example(there, "eins").reused
    assert text_of(publish_example(here, "eins")) == "eins"


def test_a_local_data_root_that_was_copied_into_a_bucket_opens(
    root: DataRoot, tmp_path: Path
) -> None:
    local = DataRoot.open(tmp_path / "local")
    made = publish_example(local, "eins")
    bucket = bucket_of(root)
    for path in made.directory.rglob("*"):
        if path.is_file():
            bucket.upload(path, path.relative_to(local.store.directory).as_posix())
    opened = root.store.verify(A)
    assert opened is not None
    assert opened.manifest == made.manifest
    assert text_of(publish_example(root, "eins")) == "eins"
    publish_example(root, "zwei", keep_old=True)
    assert len(object_names(root, "predictions")) == 3


def test_predictions_open_as_one_dataset(root: DataRoot, s3_server: str, tmp_path: Path) -> None:
    publish_example(root, "eins", "a.csv", notes=False)
    publish_example(root, "zwei", "sub/b.csv", notes=False)
    publish_example(root, "drei", "a.csv", notes=False, keep_old=True)
    expected = {("a.csv", "drei"), ("sub/b.csv", "zwei")}
    address = root.url.removeprefix("s3://")
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
    bucket = bucket_of(root)
    for name in object_names(root, "predictions"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        bucket.download(name, tmp_path / name)
    found = duckdb.sql(
        f"select distinct batch, title from read_parquet('{tmp_path}/predictions/**/*.parquet', "
        "hive_partitioning=true)"
    ).fetchall()
    assert set(found) == expected


def test_a_survey_asks_once_for_many_batches(proxy: FaultyProxy, root_of: RootOf) -> None:
    here, there = root_of("here"), root_of("there")
    for number in range(12):
        publish_example(here, str(number), f"{number}.csv")
    with there.store.listed("predictions", "rejects", "failed"):  # brings their manifests
        pass
    here.store.remove("predictions/batch=7.csv")
    publish_example(here, "neu", "8.csv")
    before = proxy.counts["GET"]
    with there.store.listed("predictions", "rejects", "failed"):
        found = [there.store.verify(f"predictions/batch={number}.csv") for number in range(20)]
    assert proxy.counts["GET"] - before == 3 + 1  # a listing a folder, and what is new
    assert [number for number, one in enumerate(found) if one is None] == [7, *range(12, 20)]
    assert found[8] is not None
    assert found[8].manifest.config == {"content": "neu"}


def test_what_is_published_or_claimed_is_looked_up_again(root_of: RootOf) -> None:
    here, there = root_of("here"), root_of("there")
    with there.store.listed("predictions", "rejects", "failed"):
        assert there.store.verify(A) is None
        publish_example(here, "eins")
        assert there.store.verify(A) is None  # as it was when it was listed
        there.store.refresh(A)
        assert there.store.verify(A)
        assert not publish_example(there, "zwei").reused
        found = there.store.manifest(A)
        assert found is not None
        assert found.config == {"content": "zwei"}
        there.store.remove(A)
        assert there.store.manifest(A) is None


PUBLISH = """
    import os, sys
    from tests.headlines.storage.bucket.example import publish_example
    from headlines.storage.data_root import DataRoot
    made = publish_example(DataRoot.open(os.environ["HEADLINES_DATA"]), sys.argv[1], keep_old=True)
"""


@pytest.mark.parametrize(
    "request_number",
    [3, 5, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 2, 4, 6, 7))],
)
def test_a_killed_writer_leaves_the_old_or_the_new_artifact(
    root_of: RootOf, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, request_number: int
) -> None:
    here = root_of("here")
    publish_example(here, "eins")
    root_of("killed")
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
    fresh = root_of("fresh")
    opened = fresh.store.open(A)
    assert opened is not None
    assert text_of(opened) in ("eins", "zwei")
    assert text_of(publish_example(fresh, "zwei", keep_old=True)) == "zwei"
    with fresh.store.listed("predictions", "rejects", "failed"):
        fresh.store.collect_garbage()
    kept = [fresh.store.open(name) for name in fresh.store.list_artifacts("superseded/predictions")]
    assert [text_of(one) for one in kept if one] == ["eins"]


def test_parts_that_no_manifest_names_are_swept_and_no_others(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_example(root, "eins")
    bucket = bucket_of(root)
    folder = "predictions/batch=a.csv"
    kept = object_names(root, folder)
    orphan = f"{folder}/part-00000-{'0' * 16}.parquet"
    lone = f"predictions/batch=new.csv/part-00000-{'1' * 16}.parquet"
    for name in (orphan, lone):
        bucket.upload(b"PAR1", name)
    with root.store.listed("predictions", "rejects", "failed"):
        assert root.store.collect_garbage() == 0  # they may be of a writer that is at work
    written = bucket.list(folder)

    def older(self: Any, listed: str) -> Any:
        found = real(self, listed)
        return [_aged(one) if one.name in (orphan, lone) else one for one in found]

    real = type(bucket).list
    monkeypatch.setattr(type(bucket), "list", older)
    with root.store.listed("predictions", "rejects", "failed"):
        assert root.store.collect_garbage() == 2
    monkeypatch.undo()
    assert object_names(root, folder) == kept
    assert len(written) == len(kept) + 1
    assert root.store.open(A)


def _aged(one: Any) -> Any:
    return type(one)(one.name, one.etag, one.size, datetime.now(UTC) - timedelta(days=2))


def test_neither_the_cache_nor_jobs_hold_credentials(root: DataRoot) -> None:
    made = publish_example(root, "eins")
    assert root.store.directory.stat().st_mode & 0o077 == 0  # nobody else reads it
    for path in root.store.directory.rglob("*"):
        if path.is_file():
            assert b"wJalr" not in path.read_bytes()
    sent = pickle.dumps(root)
    assert b"wJalr" not in sent
    assert b"AKIA" not in sent
    received: DataRoot = pickle.loads(sent)
    assert received == root  # and not opened once more
    shutil.rmtree(root.store.directory)
    opened = received.store.open(A)
    assert opened is not None
    assert opened.manifest == made.manifest
    assert text_of(opened) == "eins"


def test_some_files_are_fetched_without_the_others(root_of: RootOf, proxy: FaultyProxy) -> None:
    made = publish_example(root_of("here"), "eins")
    there = root_of("there")
    path = there.store.file(made, "notes/说明.txt")
    assert path.read_text(encoding="utf-8") == "eins"
    assert not (path.parents[1] / "part-00000.parquet").exists()
    before = proxy.counts["GET"]
    assert there.store.file(made, "notes/说明.txt") == path
    assert proxy.counts["GET"] - before == 1  # the manifest, which has not changed
    publish_example(root_of("here"), "zwei")
    assert path.read_text(encoding="utf-8") == "eins"  # whoever reads it goes on
    with pytest.raises(DamagedArtifact, match="no longer exists"):
        there.store.file(made, "notes/说明.txt")


def test_equal_content_is_fetched_once(root_of: RootOf, proxy: FaultyProxy) -> None:
    publish_example(root_of("here"), "eins")
    publish_example(root_of("here"), "eins", "b.csv")
    there = root_of("there")
    first, second = there.store.open(A), there.store.open("predictions/batch=b.csv")
    assert first is not None
    assert second is not None
    for one, other in zip(first.files(), second.files(), strict=True):
        assert one.samefile(other)


def test_what_was_not_opened_for_long_leaves_the_cache(root: DataRoot) -> None:
    made = publish_example(root, "eins")
    used = publish_example(root, "zwei", "b.csv")
    cache = root.store.directory / "cache"
    for path in cache.rglob("*"):
        os.utime(path, (0, 0))
    assert root.store.open("predictions/batch=b.csv")
    root.store.collect_garbage()
    assert not made.directory.exists()
    assert text_of(used) == "zwei"
    assert len(list((cache / "files").iterdir())) == 2
    opened = root.store.open(A)
    assert opened is not None
    assert text_of(opened) == "eins"


def test_a_file_system_without_links_has_copies(
    root_of: RootOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hardlink_to(path: Path, _: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "hardlink_to", hardlink_to)
    publish_example(root_of("here"), "eins")
    opened = root_of("there").store.open(A)
    assert opened is not None
    assert text_of(opened) == "eins"


def test_a_read_during_a_replacement_gives_the_new_artifact(
    root_of: RootOf, proxy: FaultyProxy
) -> None:
    here, there = root_of("here"), root_of("there")
    publish_example(here, "eins")
    replaced: list[Artifact] = []

    def replace(method: str, path: str) -> str:
        if method == "GET" and ".parquet" in path and not replaced:
            proxy.choose = lambda _method, _path: "pass"
            replaced.append(publish_example(here, "zwei"))
        return "pass"

    proxy.choose = replace
    opened = there.store.open(A)
    assert replaced
    assert opened is not None
    assert text_of(opened) == "zwei"


def test_a_local_data_root_needs_no_obstore(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        sys.modules["obstore"] = None
        from tests.headlines.storage.bucket.example import publish_example
        from headlines.storage.data_root import DataRoot
        made = publish_example(DataRoot.open(sys.argv[1]), "eins")
    """)
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "data"],
        cwd=Path(__file__).parents[4],
        check=True,
    )
    assert DataRoot.open(tmp_path / "data").store.open(A)


def test_lost_answers_of_a_publisher_do_no_harm(root_of: RootOf, proxy: FaultyProxy) -> None:
    here = root_of("here")
    proxy.choose = first("PUT", MANIFEST, "reset after")
    assert not publish_example(here, "eins").reused
    assert proxy.counts["reset after"] == 1
    assert len(object_names(here, "predictions")) == 3
    assert text_of(publish_example(here, "eins")) == "eins"
