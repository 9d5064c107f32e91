"""Keys and manifests: a manifest that was edited, forged or cut off is damage."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headlines.errors import DamagedArtifact
from headlines.storage.local_store import LocalStore
from headlines.storage.manifest import MANIFEST, Input, Manifest, Recipe, dump_signed, load_signed
from tests.headlines.storage.conftest import NAME, SOURCE, make, recipe, write


def test_key_covers_all_that_decides_the_content() -> None:
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


def test_key_does_not_depend_on_the_path_of_a_source() -> None:
    moved = Recipe("example", 1, (Input("/elsewhere/a.csv", SOURCE.sha256),), {})
    assert moved.key == recipe().key


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
def test_unreadable_manifest_is_damage(store: LocalStore, target: Path, text: str | bytes) -> None:
    make(store, "one")
    (target / MANIFEST).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DamagedArtifact, match=MANIFEST):
        store.manifest(NAME)


@pytest.mark.parametrize("field", ["counts", "inputs", "config", "created_at", "key"])
def test_edited_manifest_is_damage(store: LocalStore, target: Path, field: str) -> None:
    """Not the files alone: lineage and counts of rows are read from it too."""
    store.publish(NAME, recipe(a=1), write)
    data = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    data[field] = type(data[field])()
    (target / MANIFEST).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(DamagedArtifact, match="not what its digest says"):
        store.open(NAME)


def test_manifest_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format is not known"):
        Manifest.from_json(dump_signed({"format": 2}))


def forge(target: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest and sign it again, as a forger would."""
    data = load_signed((target / MANIFEST).read_text(encoding="utf-8"))
    change(data)
    (target / MANIFEST).write_text(dump_signed(data), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
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
def test_forged_manifest_is_refused(
    store: LocalStore, target: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    store.publish(NAME, recipe(), write)
    forge(target, change)
    with pytest.raises(DamagedArtifact, match=message) as refusal:
        store.open(NAME)
    assert refusal.value.directory == str(target)


def test_link_out_of_the_artifact_is_refused(store: LocalStore, target: Path) -> None:
    """Even to the same bytes: whoever may write there could change them at any time."""
    [entry] = make(store, "one").manifest.files
    outside = store.directory / "outside"
    (target / entry.path).rename(outside)
    for lead in (outside, Path("../../outside"), store.directory / "nowhere"):
        (target / entry.path).symlink_to(lead)
        with pytest.raises(DamagedArtifact, match=f"{entry.path} is a link"):
            store.open(NAME)
        (target / entry.path).unlink()
    (target / "folder").symlink_to(store.directory)
    outside.rename(target / entry.path)
    with pytest.raises(DamagedArtifact, match=r"not in the manifest \['folder'\]"):
        store.open(NAME)


def test_file_of_the_wrong_size_is_not_read(store: LocalStore, target: Path) -> None:
    make(store, "one")
    for path in (target / "text", target / MANIFEST):
        with path.open("r+b") as file:
            file.truncate(1 << 40)  # a hole in the file: it takes no room on the disk
        tracemalloc.start()
        with pytest.raises(DamagedArtifact, match=path.name):
            store.open(NAME)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 1 << 20


def test_deeply_nested_json_is_damage(store: LocalStore, target: Path) -> None:
    make(store, "one")
    (target / MANIFEST).write_text("[" * 100_000)
    with pytest.raises(DamagedArtifact, match="nested beyond all measure"):
        store.open(NAME)


def test_manifest_round_trips() -> None:
    manifest = Manifest("k", "s", 1, (SOURCE,), {"a": None}, (), {"x": 0.1, "北": [1]}, {}, "", 1.5)
    assert Manifest.from_json(manifest.to_json()) == manifest
