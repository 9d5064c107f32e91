"""What people are shown stays short, whatever the night."""

from dataclasses import asdict

import pytest

from flows.display import archive_lines, night_lines
from headlines.reports import BatchResult, Night

REST = {"inbox": "data/inbox", "evaluation": "e", "figures": {}, "report": "r.html"}


def test_a_night_of_thousands_is_told_in_a_screenful() -> None:
    stopped = [BatchResult(f"{n}.csv", "stopped", message="no title") for n in range(1000)]
    skipped = {f"{n}.txt": "its ending" for n in range(1000)}
    night = Night("m", stopped, 10_000, {"of other days": 0, "without a day": 7}, skipped)

    lines = night_lines({**REST, **asdict(night)})

    assert len(lines) < 60
    assert "scored before, nothing to do: 10000 batches" in lines
    assert "left out: 7 without a day" in lines
    assert "… and 980 more batches" in lines
    assert "… and 980 more files skipped" in lines


def test_a_night_tells_what_it_left() -> None:
    settling = BatchResult("a.csv", "settling", message="changed 3 s ago: left for the next night")
    night = Night("m", [settling], 1, {}, {})
    lines = night_lines({**REST, **asdict(night)})
    assert "a.csv: settling: changed 3 s ago: left for the next night" in lines
    assert "scored before, nothing to do: 1 batch" in lines
    assert not any("no batches" in line for line in lines)


def test_an_empty_inbox_is_told() -> None:
    lines = night_lines({**REST, **asdict(Night("m", [], 0, {}, {}))})
    assert "no batches in data/inbox" in lines


@pytest.mark.parametrize(("dry_run", "done"), [(True, "would be moved"), (False, "moved")])
def test_what_is_archived_is_named_with_its_place(dry_run: bool, done: str) -> None:
    moved = {"a.csv": "a.csv", "b.csv": "b~1.csv"}
    lines = archive_lines(
        {"directory": "x", "moved": moved, "kept": {"due": 2}, "dry_run": dry_run}
    )
    assert lines == [
        "a.csv",
        "b.csv as b~1.csv",
        f"2 batches {done} to x",
        "left in the inbox: 2 due",
    ]
