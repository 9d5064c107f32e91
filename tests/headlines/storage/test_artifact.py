import errno
import fcntl
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headlines.errors import DamagedArtifact
from headlines.storage.artifact import (
    Artifact,
    find_valid,
    link_file,
    open_artifact,
    publish,
    quarantine,
    read_manifest,
    remove,
)
from headlines.storage.atomic import file_lock, write_atomically
from headlines.storage.cleanup import clean_chunks, clean_drafts, clean_quarantine
from headlines.storage.layout import Catalog
from headlines.storage.manifest import MANIFEST, Input, Manifest, Recipe, dump_signed, load_signed

SOURCE = Input("inbox/a.csv", "a" * 64, 3)


@pytest.fixture
def target(catalog: Catalog) -> Path:
    return catalog.reports / "example"


def recipe(**config: Any) -> Recipe:
    return Recipe("example", 1, (SOURCE,), config)


def write(draft: Path) -> dict[str, Any]:
    """Two Parquet files of three and two rows, and text in a folder."""
    for name, rows in (("part-1.parquet", 3), ("part-0.parquet", 2)):
        pq.write_table(pa.table({"row": range(rows)}), draft / name)
    (draft / "notes").mkdir()
    (draft / "notes/说明.txt").write_text("三行", encoding="utf-8")
    return {"rows": 5, "labels": {"positive": 2}}


def make(catalog: Catalog, target: Path, content: str, **options: Any) -> Artifact:
    def write_text(draft: Path) -> dict[str, Any]:
        (draft / "text").write_text(content)
        return {}

    return publish(catalog, target, recipe(content=content), write_text, **options)


def in_work(catalog: Catalog) -> list[str]:
    return sorted(path.name for path in catalog.work.iterdir() if path.suffix != ".lock")


# Keys


def test_the_key_is_made_of_all_that_decides_the_content() -> None:
    key = recipe(a=1, b=[2]).key
    assert key == recipe(b=[2], a=1).key
    others = [
        Recipe("other", 1, (SOURCE,), {"a": 1, "b": [2]}),
        Recipe("example", 2, (SOURCE,), {"a": 1, "b": [2]}),
        Recipe("example", 1, (), {"a": 1, "b": [2]}),
        Recipe("example", 1, (SOURCE, SOURCE), {"a": 1, "b": [2]}),
        Recipe("example", 1, (Input("inbox/a.csv", "b" * 64, 3),), {"a": 1, "b": [2]}),
        recipe(a=1, b=[2, 3]),
        recipe(a=1, b="[2]"),
    ]
    assert len({key, *(other.key for other in others)}) == 1 + len(others)


def test_the_key_does_not_depend_on_where_a_source_lies() -> None:
    moved = Recipe("example", 1, (Input("/elsewhere/a.csv", SOURCE.sha256),), {})
    assert moved.key == recipe().key


# Publishing


def test_what_is_published_is_what_is_read(catalog: Catalog, target: Path) -> None:
    made = publish(catalog, target, recipe(名="值"), write, versions={"pyarrow": pa.__version__})

    opened = open_artifact(target)

    assert opened is not None
    assert not made.reused
    assert opened.reused
    assert opened.manifest == made.manifest
    assert opened.directory == target
    assert opened.manifest.key == recipe(名="值").key
    assert opened.manifest.inputs == (SOURCE,)
    assert opened.manifest.config == {"名": "值"}
    assert opened.manifest.versions == {"pyarrow": pa.__version__}
    assert opened.counts == {"rows": 5, "labels": {"positive": 2}}
    assert [(entry.path, entry.rows) for entry in opened.manifest.files] == [
        ("notes/说明.txt", None),
        ("part-0.parquet", 2),
        ("part-1.parquet", 3),
    ]
    assert opened.rows == 5
    assert opened.files(".parquet") == [target / "part-0.parquet", target / "part-1.parquet"]
    assert opened.as_source(catalog) == Input("reports/example", made.manifest.key, 5)
    assert in_work(catalog) == []


def test_the_same_key_is_not_made_twice(catalog: Catalog, target: Path) -> None:
    first = make(catalog, target, "one")
    stamp = (target / "text").stat().st_ino
    second = publish(catalog, target, recipe(content="one"), lambda _: pytest.fail("made again"))
    assert second.reused
    assert second.manifest == first.manifest
    assert (target / "text").stat().st_ino == stamp


def test_another_key_takes_the_place(catalog: Catalog, target: Path) -> None:
    make(catalog, target, "one")
    made = make(catalog, target, "two")
    assert not made.reused
    assert (target / "text").read_text() == "two"
    assert not (catalog.root / "superseded").exists()
    assert in_work(catalog) == []


def test_what_is_superseded_is_kept_as_often_as_it_happens(catalog: Catalog, target: Path) -> None:
    for content in ("one", "two", "one", "three"):
        make(catalog, target, content, keep_superseded=True)
    assert (target / "text").read_text() == "three"
    kept = [catalog.root / f"superseded/reports/example~{number}" for number in (1, 2, 3)]
    assert [(place / "text").read_text() for place in kept] == ["one", "two", "one"]
    assert all(open_artifact(place) for place in kept)


def test_when_making_fails_all_stays_as_it_was(catalog: Catalog, target: Path) -> None:
    make(catalog, target, "one")

    def fail(draft: Path) -> dict[str, Any]:
        write(draft)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        publish(catalog, target, recipe(content="two"), fail)

    assert (target / "text").read_text() == "one"
    assert open_artifact(target)
    assert in_work(catalog) == []


def test_while_it_is_made_nothing_is_visible(catalog: Catalog, target: Path) -> None:
    def look(draft: Path) -> dict[str, Any]:
        write(draft)
        assert not target.parent.exists()
        assert open_artifact(target) is None
        return {}

    publish(catalog, target, recipe(), look)
    assert open_artifact(target)


def test_threads_of_one_process_share_one_artifact(catalog: Catalog, target: Path) -> None:
    made = threading.Barrier(6, timeout=60)

    def write_together(draft: Path) -> dict[str, Any]:
        counts = write(draft)
        made.wait()  # none finds another's: all have made one
        return counts

    with ThreadPoolExecutor(6) as pool:
        futures = [
            pool.submit(publish, catalog, target, recipe(), write_together) for _ in range(6)
        ]
    artifacts = [future.result() for future in futures]

    assert sum(not artifact.reused for artifact in artifacts) == 1
    assert len({artifact.manifest.files for artifact in artifacts}) == 1
    assert open_artifact(target)
    assert in_work(catalog) == []


def test_all_is_on_disk_before_it_is_visible(
    catalog: Catalog, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not synced when the artifact was renamed into its place, a power cut may lose."""
    synced: list[int] = []
    renamed: list[tuple[set[int], set[int]]] = []
    fsync, rename = os.fsync, os.rename

    def noting_fsync(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_ino)

    def noting_rename(source: Path, place: Path) -> None:
        if place == target:
            inodes = {path.stat().st_ino for path in [source, *Path(source).rglob("*")]}
            renamed.append((inodes, set(synced)))
            synced.clear()
        rename(source, place)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "rename", noting_rename)
    catalog.root.mkdir()
    publish(catalog, target, recipe(), write)

    [(inodes, before)] = renamed
    assert len(inodes) == 6  # two directories, four files
    assert inodes <= before
    assert catalog.root.stat().st_ino in before  # the new directory `reports` stands in it
    assert synced == [target.parent.stat().st_ino]


# Reading


def test_where_nothing_is_there_is_no_artifact(catalog: Catalog, target: Path) -> None:
    assert read_manifest(target) is None
    assert open_artifact(target) is None
    assert find_valid(catalog, target, recipe().key) is None


def test_an_artifact_of_another_key_is_left_alone(catalog: Catalog, target: Path) -> None:
    make(catalog, target, "one")
    assert find_valid(catalog, target, recipe(content="two").key) is None
    assert open_artifact(target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"format": 1}',
        "\ud800".encode("utf-8", "surrogatepass"),
        b"\xff\xfe",
    ],
    ids=repr,
)
def test_a_manifest_that_is_none_is_damage(
    catalog: Catalog, target: Path, text: str | bytes
) -> None:
    make(catalog, target, "one")
    (target / MANIFEST).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DamagedArtifact, match=MANIFEST):
        read_manifest(target)


@pytest.mark.parametrize("field", ["counts", "inputs", "config", "created_at", "key"])
def test_a_manifest_edited_by_hand_is_damage(catalog: Catalog, target: Path, field: str) -> None:
    """Not the files alone: lineage and counts of rows are read from it too."""
    publish(catalog, target, recipe(a=1), write)
    data = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    data[field] = type(data[field])()
    (target / MANIFEST).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(DamagedArtifact, match="not what its digest says"):
        open_artifact(target)


def test_a_manifest_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format is not known"):
        Manifest.from_json(dump_signed({"format": 2}))


def forge(target: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest and seal it anew: what a forger would do."""
    data = load_signed((target / MANIFEST).read_text(encoding="utf-8"))
    change(data)
    (target / MANIFEST).write_text(dump_signed(data), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data["files"][0].update(path="../../secret"), "leaves the artifact"),
        (lambda data: data["files"][0].update(path="/etc/hosts"), "leaves the artifact"),
        (lambda data: data["files"][0].update(path=None), MANIFEST),
        (lambda data: data["files"].append(1), MANIFEST),
        (lambda data: data["inputs"][0].update(files=["a.csv", "../b.csv"]), "leaves the folder"),
        (lambda data: data["inputs"][0].update(path=7), "is no input"),
        (lambda data: data["inputs"][0].update(sha256=None), "is no input"),
        (lambda data: data.update(files={}, inputs=[[]]), MANIFEST),
    ],
)
def test_a_forged_manifest_is_refused(
    catalog: Catalog, target: Path, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    publish(catalog, target, recipe(), write)
    forge(target, change)
    with pytest.raises(DamagedArtifact, match=told) as refusal:
        open_artifact(target)
    assert refusal.value.directory == str(target)


def test_a_file_that_leads_out_of_the_artifact_is_refused(catalog: Catalog, target: Path) -> None:
    """Even to the very same bytes: who may write there could exchange them at any time."""
    [entry] = make(catalog, target, "one").manifest.files
    outside = catalog.root / "outside"
    (target / entry.path).rename(outside)
    for lead in (outside, Path("../../outside"), catalog.root / "nowhere"):
        (target / entry.path).symlink_to(lead)
        with pytest.raises(DamagedArtifact, match=f"{entry.path} is a link"):
            open_artifact(target)
        (target / entry.path).unlink()
    (target / "folder").symlink_to(catalog.root)
    outside.rename(target / entry.path)
    with pytest.raises(DamagedArtifact, match=r"not in the manifest \['folder'\]"):
        open_artifact(target)


def test_what_cannot_be_right_by_its_size_is_not_read(catalog: Catalog, target: Path) -> None:
    make(catalog, target, "one")
    for path in (target / "text", target / MANIFEST):
        with path.open("r+b") as file:
            file.truncate(1 << 40)  # a hole in the file: it takes no room on the disk
        tracemalloc.start()
        with pytest.raises(DamagedArtifact, match=path.name):
            open_artifact(target)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 1 << 20


def test_json_that_is_nested_beyond_all_measure_is_damage(catalog: Catalog, target: Path) -> None:
    make(catalog, target, "one")
    (target / MANIFEST).write_text("[" * 100_000)
    with pytest.raises(DamagedArtifact, match="nested beyond all measure"):
        open_artifact(target)


def test_a_manifest_survives_being_written_and_read() -> None:
    manifest = Manifest("k", "s", 1, (SOURCE,), {"a": None}, (), {"x": 0.1, "北": [1]}, {}, "", 1.5)
    assert Manifest.from_json(manifest.to_json()) == manifest


# Setting aside, removing


def test_a_whole_artifact_is_never_set_aside(catalog: Catalog, target: Path) -> None:
    """Another process may have mended what this one saw damaged."""
    make(catalog, target, "one")
    assert quarantine(catalog, target, "it was damaged a moment ago") is None
    assert open_artifact(target)
    assert in_work(catalog) == []


def test_what_is_gone_cannot_be_set_aside(catalog: Catalog, target: Path) -> None:
    assert quarantine(catalog, target, "it was damaged a moment ago") is None


@pytest.mark.parametrize("keep", [False, True])
def test_removing(catalog: Catalog, target: Path, keep: bool) -> None:
    made = make(catalog, target, "one")
    remove(catalog, target, keep_superseded=keep)
    assert not target.exists()
    kept = open_artifact(catalog.root / "superseded/reports/example~1")
    assert (kept.manifest if kept else None) == (made.manifest if keep else None)
    assert in_work(catalog) == []
    remove(catalog, target, keep_superseded=keep)  # a second time does nothing
    assert [*catalog.root.rglob("text")] == ([kept.directory / "text"] if kept else [])


# Small files, drafts, locks


def test_a_small_file_is_replaced_as_a_whole(catalog: Catalog) -> None:
    path = catalog.root / "models/champion.json"
    write_atomically(catalog, path, b"old and long")
    with path.open("rb") as reader:
        write_atomically(catalog, path, b"new")
        assert reader.read() == b"old and long"
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == ["champion.json"]  # hidden ones too  # noqa: PTH208
    assert in_work(catalog) == []


def ended_process() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


@pytest.mark.parametrize("links", [True, False])
def test_a_file_is_taken_over_whole_or_not_at_all(
    catalog: Catalog, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    artifact = publish(catalog, target, recipe(), write)
    if not links:  # as on FAT or some network file systems

        def hardlink_to(path: Path, _: Path) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

        monkeypatch.setattr(Path, "hardlink_to", hardlink_to)
    link_file(artifact, "part-0.parquet", tmp_path / "taken")
    assert (tmp_path / "taken").samefile(target / "part-0.parquet") is links
    remove(catalog, target)
    assert pq.read_table(tmp_path / "taken").num_rows == 2

    artifact = publish(catalog, target, recipe(), write)
    (target / "part-0.parquet").write_bytes(b"not what it was")
    with pytest.raises(DamagedArtifact, match="is not what the manifest says"):
        link_file(artifact, "part-0.parquet", tmp_path / "again")


def test_drafts_of_ended_processes_are_swept_and_no_others(catalog: Catalog) -> None:
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
        (catalog.work / name / "folder").mkdir(parents=True)
        (catalog.work / name / "folder" / "file").write_text("")

    def sweep_within(draft: Path) -> dict[str, Any]:
        (draft / "text").write_text("mine")
        assert clean_drafts(catalog) == len(orphans)
        assert in_work(catalog) == sorted([*others, draft.name])
        return {}

    publish(catalog, catalog.reports / "example", recipe(), sweep_within)
    assert in_work(catalog) == sorted(others)
    assert clean_drafts(catalog) == 0


def test_drafts_of_a_machine_that_died_for_good_are_swept_after_a_week(catalog: Catalog) -> None:
    old, new = (catalog.work / f"draft-elsewhere-7-0123abcd-{number}" for number in range(2))
    for draft in (old, new):
        draft.mkdir(parents=True)
        (draft / "file").write_text("")
    os.utime(old, (time.time() - 7 * 24 * 3600 - 60,) * 2)
    assert clean_drafts(catalog) == 1
    assert in_work(catalog) == [new.name]


def test_sweeping_where_nothing_ever_was(catalog: Catalog) -> None:
    assert clean_drafts(catalog) == 0
    assert not catalog.root.exists()


def test_pieces_that_no_run_came_back_to_are_swept(catalog: Catalog) -> None:
    week = 7 * 24 * 3600
    pieces = [
        catalog.work / kind / age for kind in ("admitted", "chunks") for age in ("old", "new")
    ]
    for piece in pieces:
        piece.mkdir(parents=True)
        if piece.name == "old":
            os.utime(piece, (time.time() - week - 60,) * 2)
    assert clean_chunks(catalog) == 2
    assert [piece.name for piece in pieces if piece.exists()] == ["new", "new"]


def test_what_was_set_aside_as_damaged_is_kept_for_a_month(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for target in (catalog.reports / "one", catalog.prediction("a.csv"), catalog.work / "chunks/x"):
        (target / "folder~7").mkdir(parents=True)
        (target / "folder~7" / "file").write_text("")
        os.utime(target, (0, 0))  # the content may be of any age
        assert quarantine(catalog, target, "a test") is not None
    (catalog.work / "damaged" / "reports" / "my notes").write_text("mine")
    kept = sorted(catalog.work.rglob("*"))

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 30 * 24 * 3600 - 60)
    assert clean_quarantine(catalog) == 0
    assert sorted(catalog.work.rglob("*")) == kept

    monkeypatch.setattr(time, "time", lambda: now + 30 * 24 * 3600 + 60)
    with caplog.at_level(logging.INFO):
        assert clean_quarantine(catalog) == 3
    assert "reports/one~1" in caplog.text
    left = [path.name for path in (catalog.work / "damaged").rglob("*") if path.is_file()]
    assert left == ["my notes"]
    assert clean_quarantine(catalog) == 0


def test_a_draft_that_an_ended_process_left_is_in_nobodys_way(
    catalog: Catalog, target: Path
) -> None:
    """In a container started again the process has the same id, and counts drafts from 0 again."""
    script = (
        "import os, sys; os.getpid = lambda: 7; from pathlib import Path\n"
        "from headlines.storage.artifact import publish\n"
        "from headlines.storage.manifest import Recipe\n"
        "from headlines.storage.layout import Catalog\n"
        "c = Catalog(Path(sys.argv[1])); end = lambda draft: os._exit(0) if sys.argv[2] else {}\n"
        "publish(c, c.reports / 'example', Recipe('example', 1, (), {}), end)"
    )
    for killed in ("killed", ""):
        subprocess.run([sys.executable, "-c", script, catalog.root, killed], check=True)
    assert len(in_work(catalog)) == 1
    assert open_artifact(target)


def test_a_lock_is_held_until_its_holder_ends_however_it_ends(catalog: Catalog) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from headlines.storage.atomic import file_lock\n"
        "from headlines.storage.layout import Catalog\n"
        "with file_lock(Catalog(Path(sys.argv[1])), 'test'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, catalog.root],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with (
            (catalog.work / "test.lock").open("a") as file,
            pytest.raises(BlockingIOError),
        ):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with file_lock(catalog, "another"):
            process.kill()
    with (
        file_lock(catalog, "test"),
        (catalog.work / "test.lock").open("a") as file,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
