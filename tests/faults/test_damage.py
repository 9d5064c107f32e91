"""Files that were cut, flipped, lost or added: each is found, and rebuilt where possible."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headlines.errors import DamagedArtifact, InputError
from headlines.models import champion, registry
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import MANIFEST, dump_signed, load_signed

from .conftest import Victim, results

FLIPS = 150


def files_of(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def damages_of(whole: bytes, seed: str) -> Iterator[tuple[str, bytes]]:
    """Cuts and single flipped bits of a file's bytes, the same ones every time."""
    seeded = random.Random(seed)
    end = len(whole) - 1  # text that lacks its last newline says all the same
    for length in {0, 1, end // 2, end - 1, *(seeded.randrange(end) for _ in range(20))}:
        yield f"cut to {length} bytes", whole[:length]
    for _ in range(FLIPS):
        place, bit = seeded.randrange(len(whole)), seeded.randrange(8)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << bit
        yield f"bit {bit} of byte {place} flipped", bytes(flipped)


def every_damage(directory: Path) -> Iterator[str]:
    """Damage each file below a directory in many ways, mending it after each."""
    for path in files_of(directory):
        whole = path.read_bytes()
        for what, content in damages_of(whole, path.name):
            path.write_bytes(content)
            yield f"{path.name}: {what}"
        path.unlink()
        yield f"{path.name}: lost"
        path.mkdir()
        yield f"{path.name}: a directory"
        path.rmdir()
        path.write_bytes(whole)


def open_example(example: Path) -> Artifact | None:
    return DataRoot.open(example.parents[1]).store.open("reports/example")


@pytest.fixture
def example(victim: Victim, tmp_path: Path) -> Path:
    """An artifact with Parquet and a file in a folder."""
    victim.do("publish_example", tmp_path / "data", content="股市")
    return tmp_path / "data" / "reports" / "example"


def test_every_damage_to_an_artifact_is_found(example: Path) -> None:
    tried = 0
    for what in every_damage(example):
        with pytest.raises(DamagedArtifact) as refusal:
            pytest.fail(f"{what}: opened as {open_example(example)}")
        assert refusal.value.directory == str(example), what
        tried += 1
    assert tried > 4 * FLIPS
    assert open_example(example)  # it was mended each time


@pytest.mark.parametrize(
    "add",
    [
        lambda directory: (directory / "part-9.parquet").write_bytes(b"PAR1"),
        lambda directory: (directory / "notes" / ".part-9.parquet").write_bytes(b""),
        lambda directory: (directory / "copy").symlink_to(directory / "part-0.parquet"),
        lambda directory: shutil.copytree(directory, directory / "inner"),
    ],
    ids=["a part", "a hidden part", "a link", "an artifact"],
)
def test_a_file_too_many_is_found(example: Path, add: Callable[[Path], object]) -> None:
    add(example)
    with pytest.raises(DamagedArtifact, match="files not in the manifest"):
        open_example(example)


def test_what_a_file_manager_leaves_is_no_damage(example: Path) -> None:
    (example / ".DS_Store").write_bytes(b"\0")
    (example / "notes" / ".nfs000000001").write_bytes(b"")
    assert open_example(example) is not None


@pytest.mark.parametrize(
    "name", ["../../../secret", "notes/../../example/part-0.parquet", "/etc/hosts"]
)
def test_a_manifest_that_names_a_file_outside_is_refused(example: Path, name: str) -> None:
    manifest = example / MANIFEST
    data = load_signed(manifest.read_text(encoding="utf-8"))
    data["files"][0]["path"] = name
    manifest.write_text(dump_signed(data), encoding="utf-8")
    with pytest.raises(DamagedArtifact, match="leaves the artifact"):
        DataRoot.open(example.parents[1]).store.manifest("reports/example")
    with pytest.raises(DamagedArtifact, match="leaves the artifact"):
        open_example(example)


def test_a_file_in_place_of_an_artifact_is_damage(example: Path) -> None:
    shutil.rmtree(example)
    example.write_text("no directory")
    with pytest.raises(DamagedArtifact):
        open_example(example)


@pytest.mark.parametrize("number", range(5))
def test_what_is_damaged_is_set_aside_and_made_anew(
    example: Path, victim: Victim, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    data = DataRoot.open(example.parent.parent)
    whole = results(data.store.directory)
    artifact = open_example(example)
    assert artifact is not None
    path = [*files_of(example), example / "one-too-many"][number]
    content = path.read_bytes() if path.exists() else b"more"
    path.write_bytes(content[: len(content) // 2])
    harmed = {p.relative_to(example): p.read_bytes() for p in files_of(example)}

    assert data.store.find("reports/example", artifact.manifest.key) is None

    assert not example.exists()
    quarantined = data.store.work / "damaged/reports/example~1"
    assert {p.relative_to(quarantined): p.read_bytes() for p in files_of(quarantined)} == harmed
    assert "is corrupt" in caplog.text
    assert str(quarantined) in caplog.text
    victim.do("publish_example", data.store.directory, content="股市")
    assert results(data.store.directory) == whole


def test_damaged_again_and_again_nothing_is_overwritten(example: Path, victim: Victim) -> None:
    data = DataRoot.open(example.parent.parent)
    for number in range(1, 4):
        (example / "notes/readme.txt").write_text(f"damage {number}")
        victim.do("publish_example", data.store.directory, content="股市")
        quarantined = data.store.work / f"damaged/reports/example~{number}"
        assert (quarantined / "notes/readme.txt").read_text() == f"damage {number}"


def test_every_damage_to_a_model_is_refused_and_it_stays(victim: Victim, tmp_path: Path) -> None:
    data = DataRoot.open(tmp_path)
    victim.do("first_model", data.store.directory)
    directory = data.store.directory / data.model("first")
    for what in every_damage(directory):
        for ask in (
            lambda: registry.open_model(data, "first"),
            lambda: champion.open_champion(data),
        ):
            with pytest.raises(InputError, match="the model is damaged") as refusal:
                ask()
            assert refusal.value.location == str(directory), what
            assert refusal.value.hint
    assert champion.open_champion(data).directory == directory  # nothing was moved or rebuilt


def test_every_damage_to_the_champion_pointer_is_refused(victim: Victim, tmp_path: Path) -> None:
    data = DataRoot.open(tmp_path)
    victim.do("first_model", data.store.directory)
    victim.do("second_model", data.store.directory)
    victim.do("promote", data.store.directory)
    pointer = data.store.directory / data.champion
    whole = pointer.read_bytes()
    for what, content in damages_of(whole, "champion"):
        pointer.write_bytes(content)
        with pytest.raises(InputError, match="the champion pointer cannot be read") as refusal:
            champion.open_champion(data)
        assert refusal.value.location == str(pointer), what
        assert pointer.read_bytes() == content
    pointer.write_bytes(whole)
    assert champion.open_champion(data).version == "second"


@pytest.mark.parametrize("name", [MANIFEST, "part-00000.parquet", "part-00001.parquet"])
def test_damaged_predictions_are_scored_anew(scored: Path, victim: Victim, name: str) -> None:
    whole = results(scored)
    path = scored / "predictions/batch=news.csv" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)

    assert victim.do("score", scored)["result"] == "scored"

    assert results(scored) == whole
    quarantined = scored / ".work/damaged/predictions/batch=news.csv~1"
    assert (quarantined / name).read_bytes() == content


@pytest.mark.parametrize("kind", ["admitted", "chunks"])
def test_damaged_pieces_of_a_killed_run_are_made_anew(
    scored: Path, victim: Victim, kind: str
) -> None:
    """The run is killed when it has all its pieces, and each of them is damaged then."""
    data = DataRoot.open(scored)
    whole = results(scored)
    shutil.rmtree(scored / "predictions")
    for step in range(1, 100):
        victim.ask("score", scored, {"die_at": step})
        pieces = [*(data.store.work / kind).glob("*/*.parquet")]
        if len([*(data.store.work / "chunks").glob("*")]) == 2:
            break
    assert len(pieces) >= 2
    for piece in pieces:
        content = bytearray(piece.read_bytes())
        content[len(content) // 2] ^= 4
        piece.write_bytes(content)

    assert victim.do("score", scored)["result"] == "scored"

    assert results(scored) == whole
    assert [*(data.store.work / "damaged" / ".work" / kind).glob("*~1")]
