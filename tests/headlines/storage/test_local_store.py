"""Artifacts: published as a whole, read back, quarantined, removed; documents are replaced."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headlines.errors import DamagedArtifact, InputError
from headlines.storage.local_store import LocalStore
from headlines.storage.manifest import Input
from tests.headlines.storage.conftest import NAME, SOURCE, in_work, make, recipe, write

# Publishing


def test_published_artifact_is_read_back(store: LocalStore, target: Path) -> None:
    made = store.publish(NAME, recipe(名="值"), write, versions={"pyarrow": pa.__version__})

    opened = store.open(NAME)

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
    assert opened.as_source() == Input("reports/example", made.manifest.key, 5)
    assert in_work(store) == []


def test_same_key_is_built_once(store: LocalStore, target: Path) -> None:
    first = make(store, "one")
    stamp = (target / "text").stat().st_ino
    second = store.publish(NAME, recipe(content="one"), lambda _: pytest.fail("made again"))
    assert second.reused
    assert second.manifest == first.manifest
    assert (target / "text").stat().st_ino == stamp


def test_another_key_replaces_the_artifact(store: LocalStore, target: Path) -> None:
    make(store, "one")
    made = make(store, "two")
    assert not made.reused
    assert (target / "text").read_text() == "two"
    assert not (store.directory / "superseded").exists()
    assert in_work(store) == []


def test_every_superseded_artifact_is_kept(store: LocalStore, target: Path) -> None:
    for content in ("one", "two", "one", "three"):
        make(store, content, keep_old=True)
    assert (target / "text").read_text() == "three"
    names = store.list_artifacts("superseded/reports")
    assert names == [f"superseded/reports/example~{number}" for number in (1, 2, 3)]
    assert [(store.path(name) / "text").read_text() for name in names] == ["one", "two", "one"]
    assert all(store.open(name) for name in names)


def test_failed_build_changes_nothing(store: LocalStore, target: Path) -> None:
    make(store, "one")

    def fail(draft: Path) -> dict[str, Any]:
        write(draft)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.publish(NAME, recipe(content="two"), fail)

    assert (target / "text").read_text() == "one"
    assert store.open(NAME)
    assert in_work(store) == []


def test_nothing_is_visible_during_the_build(store: LocalStore, target: Path) -> None:
    def look(draft: Path) -> dict[str, Any]:
        write(draft)
        assert not target.parent.exists()
        assert store.open(NAME) is None
        return {}

    store.publish(NAME, recipe(), look)
    assert store.open(NAME)


def test_threads_publish_one_artifact(store: LocalStore, target: Path) -> None:
    made = threading.Barrier(6, timeout=60)

    def write_together(draft: Path) -> dict[str, Any]:
        counts = write(draft)
        made.wait()  # none finds another's: all have made one
        return counts

    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(store.publish, NAME, recipe(), write_together) for _ in range(6)]
    artifacts = [future.result() for future in futures]

    assert sum(not artifact.reused for artifact in artifacts) == 1
    assert len({artifact.manifest.files for artifact in artifacts}) == 1
    assert store.open(NAME)
    assert in_work(store) == []


def test_all_is_synced_before_it_is_visible(
    store: LocalStore, target: Path, monkeypatch: pytest.MonkeyPatch
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
    store.directory.mkdir()
    store.publish(NAME, recipe(), write)

    [(inodes, before)] = renamed
    assert len(inodes) == 6  # two directories, four files
    assert inodes <= before
    assert store.directory.stat().st_ino in before  # the new directory `reports` stands in it
    assert synced == [target.parent.stat().st_ino]


# Reading


def test_an_altered_file_is_found_by_its_digest(store: LocalStore, target: Path) -> None:
    make(store, "one")
    assert store.verify(NAME) is not None
    (target / "text").write_text("two")
    with pytest.raises(DamagedArtifact, match="text"):
        store.verify(NAME)


def test_missing_artifact_is_none(store: LocalStore, target: Path) -> None:
    assert store.manifest(NAME) is None
    assert store.open(NAME) is None
    assert store.find(NAME, recipe().key) is None


def test_some_files_are_opened_without_the_others(store: LocalStore, target: Path) -> None:
    made = store.publish(NAME, recipe(), write)
    (target / "part-1.parquet").write_bytes(b"damaged")
    assert store.open(NAME, ["part-0.parquet"])
    assert store.file(made, "part-0.parquet") == target / "part-0.parquet"
    with pytest.raises(DamagedArtifact, match=r"part-1\.parquet is not what the manifest says"):
        store.open(NAME, ["part-1.parquet"])
    store.publish(NAME, recipe(other=True), write)
    with pytest.raises(DamagedArtifact, match="no longer exists"):
        store.file(made, "part-0.parquet")


def test_artifact_of_a_file_is_found(store: LocalStore, target: Path) -> None:
    store.publish(NAME, recipe(), write)
    for name in (NAME, f"{NAME}/part-0.parquet", f"{NAME}/notes/说明.txt"):
        assert store.artifact_of(name) == NAME
        assert store.artifact_of(str(store.path(name))) == str(target)
    for name in ("reports", "reports/other", "/etc/hosts"):
        assert store.artifact_of(name) is None


def test_artifact_of_another_key_is_left_alone(store: LocalStore, target: Path) -> None:
    make(store, "one")
    assert store.find(NAME, recipe(content="two").key) is None
    assert store.open(NAME)


# Quarantine, removal


def test_intact_artifact_is_never_quarantined(store: LocalStore, target: Path) -> None:
    """Another process may have replaced the damaged one that this one saw."""
    make(store, "one")
    assert store.quarantine(NAME, "it was damaged a moment ago") is None
    assert store.open(NAME)
    assert in_work(store) == []


def test_missing_artifact_cannot_be_quarantined(store: LocalStore, target: Path) -> None:
    assert store.quarantine(NAME, "it was damaged a moment ago") is None


@pytest.mark.parametrize("keep", [False, True])
def test_remove(store: LocalStore, target: Path, keep: bool) -> None:
    made = make(store, "one")
    store.remove(NAME, keep_old=keep)
    assert not target.exists()
    kept = store.open("superseded/reports/example~1")
    assert (kept.manifest if kept else None) == (made.manifest if keep else None)
    assert in_work(store) == []
    store.remove(NAME, keep_old=keep)  # a second time does nothing
    assert [*store.directory.rglob("text")] == ([kept.directory / "text"] if kept else [])


@pytest.mark.parametrize("links", [True, False])
def test_file_is_linked_intact_or_not_at_all(
    store: LocalStore,
    target: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    links: bool,
) -> None:
    artifact = store.publish(NAME, recipe(), write)
    if not links:  # as on FAT or some network file systems

        def hardlink_to(path: Path, _: Path) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

        monkeypatch.setattr(Path, "hardlink_to", hardlink_to)
    store.link_file(artifact, "part-0.parquet", tmp_path / "linked")
    assert (tmp_path / "linked").samefile(target / "part-0.parquet") is links
    store.remove(NAME)
    assert pq.read_table(tmp_path / "linked").num_rows == 2

    artifact = store.publish(NAME, recipe(), write)
    (target / "part-0.parquet").write_bytes(b"not what it was")
    with pytest.raises(DamagedArtifact, match="is not what the manifest says"):
        store.link_file(artifact, "part-0.parquet", tmp_path / "again")


# Documents, the data root


def test_document_is_read_and_replaced(store: LocalStore) -> None:
    document = store.read_document("models/champion.json")
    assert document.text is None
    store.replace_document(document, b"one")
    document = store.read_document("models/champion.json")
    assert document.text == "one"
    store.back_up_document(document)
    assert store.path("models/champion.json.damaged~1").read_bytes() == b"one"
    assert store.write_document("reports/nightly/a.json", b"{}").read_bytes() == b"{}"
    store.write_document("reports/nightly/a.html", b"")
    assert store.list_documents("reports/nightly", ".json") == ["reports/nightly/a.json"]
    for _ in range(2):
        store.delete_document("reports/nightly/a.json")
    assert store.list_documents("reports/nightly", ".json") == []
    assert store.list_documents("reports/none", ".json") == []


def test_a_writable_root_is_created_and_left_clean(store: LocalStore) -> None:
    store.require_writable()
    assert [path for path in store.directory.rglob("*") if path.is_file()] == []


def test_a_root_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="set HEADLINES_DATA") as caught:
        LocalStore(tmp_path / "file" / "data").require_writable()
    assert caught.value.location == str(tmp_path / "file" / "data")


def test_names_are_relative_below_the_root_alone() -> None:
    store = LocalStore(Path("/srv/data"))
    assert store.name_of(Path("/srv/data/corpus/inews")) == "corpus/inews"
    assert store.name_of(Path("/elsewhere/a.csv")) == "/elsewhere/a.csv"
    assert store.name_of(Path("/srv/database/a.csv")) == "/srv/database/a.csv"
    assert store.location("corpus/inews") == "/srv/data/corpus/inews"
    assert store.location("/elsewhere/a.csv") == "/elsewhere/a.csv"
