"""A disk that is full, and files that may not grow: the old state or the new one, and an error."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Victim, drafts, predicted, results, unopenable, write_batch

PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for 64 pages."""
    directory = tmp_path / "disk"
    directory.mkdir()
    options = f"size={64 * PAGE},mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    try:
        subprocess.run(mount, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a tmpfs cannot be mounted here: {getattr(error, 'stderr', error)}")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


def leave(root: Path, pages: int) -> None:
    """Fill a disk until so many pages are free."""
    ballast = root / "ballast"
    ballast.unlink(missing_ok=True)
    free = shutil.disk_usage(root).free // PAGE - pages
    assert free > 0
    ballast.write_bytes(b"x" * (free * PAGE))
    assert shutil.disk_usage(root).free == pages * PAGE


@pytest.mark.parametrize("keep_old", [False, True])
def test_publishing_on_a_full_disk(victim: Victim, small_disk: Path, keep_old: bool) -> None:
    root = small_disk / "data"
    victim.do("publish_example", root, content="old")
    old = results(root)
    arguments = {"content": "new", "keep_old": keep_old}
    failed = 0
    for pages in range(20):
        leave(small_disk, pages)
        answer = victim.ask("publish_example", root, {}, **arguments)
        if "result" in answer:
            break
        failed += 1
        assert answer["error"][0] == "OSError"
        assert "No space left on device" in answer["error"][1]
        assert str(root / "reports/example") in answer["error"][1]
        assert results(root) == old
        assert not drafts(root)
    assert failed > 3  # each of its files in turn was the one too many
    assert "result" in answer
    assert results(root)["reports/example"] != old["reports/example"]
    assert not unopenable(root)


def test_scoring_on_a_disk_that_fills_up(victim: Victim, small_disk: Path) -> None:
    root = small_disk / "data"
    victim.do("first_model", root)
    write_batch(root, "first")
    victim.do("score", root)
    write_batch(root, "revised")
    old, old_rows = results(root), predicted(root)
    failed = 0
    for pages in range(30):
        leave(small_disk, pages)
        answer = victim.ask("score", root, {})
        if "result" in answer:
            break
        failed += 1
        assert answer["error"][0] == "OSError"
        assert "No space left on device" in answer["error"][1]
        assert str(root) in answer["error"][1]
        assert predicted(root) == old_rows
        assert results(root)["predictions/batch=news.csv"] == old["predictions/batch=news.csv"]
        assert not unopenable(root)
        assert not drafts(root)
    assert failed > 3
    assert answer["result"] == "scored"
    assert (
        results(root)["superseded/predictions/batch=news.csv~1"]
        == (old["predictions/batch=news.csv"])
    )


@pytest.mark.parametrize(("job", "files"), [("second_model", 7), ("promote", 1)])
def test_a_model_and_its_promotion_on_a_full_disk(
    victim: Victim, small_disk: Path, job: str, files: int
) -> None:
    root = small_disk / "data"
    victim.do("first_model", root)
    if job == "promote":
        victim.do("second_model", root)
    pointer = (root / "models/champion.json").read_bytes()
    failed = 0
    for pages in range(20):
        leave(small_disk, pages)
        answer = victim.ask(job, root, {})
        if "result" in answer:
            break
        failed += 1
        assert answer["error"][0] == "OSError"
        assert str(root / "models") in answer["error"][1]
        assert (root / "models/champion.json").read_bytes() == pointer
        assert not unopenable(root)
        assert not drafts(root)
    assert failed == files  # each was the one too many once
    assert "result" in answer


@pytest.mark.parametrize("job", ["publish_example", "score", "second_model"])
def test_files_that_may_not_grow(victim: Victim, scored: Path, job: str) -> None:
    """As on a full disk, where none can be mounted: the kernel refuses the write as too large."""
    write_batch(scored, "revised")
    arguments = {"content": "new"} if job == "publish_example" else {}
    old = results(scored)
    failed = 0
    limits = [0, 50, 100, 200, 400, 800, 1200, 1600, 2000, 3000, 4000, 6000, 8000, 16000]
    for limit in limits:
        answer = victim.ask(job, scored, {"file_limit": limit}, **arguments)
        if "result" in answer:
            break
        failed += 1
        assert answer["error"][0] == "OSError"
        assert "File too large" in answer["error"][1]
        assert str(scored) in answer["error"][1]
        new = results(scored)
        for unit in ("predictions/batch=news.csv", "models/champion.json", "models/first"):
            assert new[unit] == old[unit]
        assert not unopenable(scored)
        assert not drafts(scored)
    assert failed > 3
    assert "result" in answer
    assert not unopenable(scored)
