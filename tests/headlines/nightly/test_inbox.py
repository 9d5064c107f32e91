"""What of the inbox is a batch, what is not, and what is not yet one."""

import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from headlines.nightly.day_range import DayRange
from headlines.nightly.inbox import read_inbox
from headlines.storage.layout import Catalog

Writer = Callable[[Path, list[str]], Path]


def names(catalog: Catalog, days: DayRange) -> list[str]:
    return [batch.name for batch in read_inbox(catalog, days=days).batches]


def test_the_inbox_tells_batches_from_other_files(catalog: Catalog, write_batch: Writer) -> None:
    for name in ("b.csv", "a.jsonl", "day/c.tsv", ".hidden.csv", ".cache/d.csv", "%2e.csv"):
        write_batch(catalog.inbox / name, ["喜讯"])
    for name in ("notes.txt", "half.csv.part"):
        (catalog.inbox / name).write_text("?", encoding="utf-8")

    inbox = read_inbox(catalog)

    assert [batch.name for batch in inbox.batches] == ["a.jsonl", "b.csv", "day/c.tsv"]
    assert sorted(inbox.skipped) == ["%2e.csv", ".hidden.csv", "half.csv.part", "notes.txt"]
    assert "cannot be a batch name" in inbox.skipped["%2e.csv"]


def test_links_that_leave_the_inbox_are_not_followed(
    catalog: Catalog, tmp_path: Path, write_batch: Writer
) -> None:
    secret = write_batch(tmp_path / "secret.csv", ["喜讯"])
    inside = write_batch(catalog.inbox / "a.csv", ["喜讯"])
    (catalog.inbox / "leak.csv").symlink_to(secret)
    (catalog.inbox / "broken.csv").symlink_to(catalog.inbox / "gone.csv")
    (catalog.inbox / "same.csv").symlink_to(inside)

    inbox = read_inbox(catalog)

    assert [batch.name for batch in inbox.batches] == ["a.csv", "same.csv"]
    assert sorted(inbox.skipped) == ["broken.csv", "leak.csv"]
    assert "out of the inbox" in inbox.skipped["leak.csv"]


def test_no_inbox_is_an_empty_one(catalog: Catalog) -> None:
    assert read_inbox(catalog).batches == []


def test_a_folder_is_one_batch_or_holds_batches(catalog: Catalog, write_batch: Writer) -> None:
    for name in ("2026.csv/part-0.csv", "2026.csv/part-1.csv", "late/a.csv", "mixed.csv/a.csv"):
        write_batch(catalog.inbox / name, ["喜讯"])
    (catalog.inbox / "mixed.csv" / "notes.txt").write_text("?", encoding="utf-8")

    inbox = read_inbox(catalog)

    assert {batch.name: len(batch.files) for batch in inbox.batches} == {
        "2026.csv": 2,
        "late/a.csv": 1,
    }
    assert list(inbox.skipped) == ["mixed.csv"]
    assert "notes.txt" in inbox.skipped["mixed.csv"]


@pytest.mark.parametrize(
    "name", ["a.csv.part", "a.csv.TMP", "a.csv.crdownload", "a.csv~", "up.partial/a.csv", ".a.csv"]
)
def test_what_is_still_being_written_is_left(
    catalog: Catalog, write_batch: Writer, name: str
) -> None:
    write_batch(catalog.inbox / name, ["喜讯"])
    inbox = read_inbox(catalog)
    assert inbox.batches == []
    assert "still being written" in inbox.skipped[name.split("/")[0]]


def test_what_writers_of_files_hide_is_told_and_other_hidden_files_are_not(
    catalog: Catalog, write_batch: Writer
) -> None:
    for name in (".a.csv.Xa81bQ", ".DS_Store", ".gitkeep"):  # the first is rsync's
        write_batch(catalog.inbox / name, ["喜讯"])
    assert list(read_inbox(catalog).skipped) == [".a.csv.Xa81bQ"]


def test_a_link_out_of_a_folder_that_is_a_batch_is_not_followed(
    catalog: Catalog, tmp_path: Path, write_batch: Writer
) -> None:
    write_batch(catalog.inbox / "a.csv" / "part-0.csv", ["喜讯"])
    secret = write_batch(tmp_path / "secret.csv", ["喜讯"])
    (catalog.inbox / "a.csv" / "part-1.csv").symlink_to(secret)
    inbox = read_inbox(catalog)
    assert inbox.batches == []
    assert "out of the inbox" in inbox.skipped["a.csv"]


def test_what_is_no_file_is_not_opened(catalog: Catalog) -> None:
    catalog.inbox.mkdir(parents=True)
    os.mkfifo(catalog.inbox / "pipe.csv")  # opening it would wait for ever
    assert read_inbox(catalog).skipped == {"pipe.csv": "it is no file, or a link to none"}


def test_a_batch_settles_before_it_is_scored(catalog: Catalog, write_batch: Writer) -> None:
    new = write_batch(catalog.inbox / "new.csv", ["喜讯"])
    folder = catalog.inbox / "folder.csv"
    for number in range(2):
        write_batch(folder / f"{number}.csv", ["喜讯"])
    hour_ago = time.time() - 3600
    os.utime(folder / "0.csv", (hour_ago, hour_ago))

    inbox = read_inbox(catalog, settle_seconds=600)
    assert inbox.batches == []
    assert sorted(inbox.settling) == ["folder.csv", "new.csv"]  # the newest file counts
    assert "left for the next night" in inbox.settling["new.csv"]
    assert inbox.skipped == {}

    for path in (new, folder / "1.csv"):
        os.utime(path, (hour_ago, hour_ago))
    # What was added to a folder may keep its old times, as with `rsync -a`; the folder's tells.
    assert sorted(read_inbox(catalog, settle_seconds=600).settling) == ["folder.csv"]

    os.utime(folder, (hour_ago, hour_ago))
    inbox = read_inbox(catalog, settle_seconds=600)
    assert [batch.name for batch in inbox.batches] == ["folder.csv", "new.csv"]
    assert len(read_inbox(catalog, settle_seconds=0).batches) == 2


def test_a_time_of_change_in_the_future_holds_no_batch_for_ever(
    catalog: Catalog, write_batch: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_batch(catalog.inbox / "a.csv", ["喜讯"])
    year = 365 * 24 * 3600
    os.utime(file, (time.time() + year, time.time() + year))
    assert list(read_inbox(catalog, settle_seconds=600).settling) == ["a.csv"]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 601)  # the next night, long before that year
    assert read_inbox(catalog, settle_seconds=600).settling == {}


def test_batches_of_some_days(catalog: Catalog, write_batch: Writer) -> None:
    for name in (
        "2026-11-19.csv", "2026-11-20.csv", "news_20261121.csv", "date=2026-11-22/a.csv",
        "2026/11/23/a.csv", "undated.csv", "20269999.csv",
    ):  # fmt: skip
        write_batch(catalog.inbox / name, ["喜讯"])
    some = DayRange(date(2026, 11, 20), date(2026, 11, 22))

    inbox = read_inbox(catalog, days=some)

    assert [batch.name for batch in inbox.batches] == [
        "2026-11-20.csv", "date=2026-11-22/a.csv", "news_20261121.csv",
    ]  # fmt: skip
    assert sorted(inbox.other_days) == ["2026-11-19.csv", "2026/11/23/a.csv"]
    assert sorted(inbox.undated) == ["20269999.csv", "undated.csv"]
    assert names(catalog, DayRange(first=date(2026, 11, 23))) == ["2026/11/23/a.csv"]
    assert names(catalog, DayRange(last=date(2026, 11, 19))) == ["2026-11-19.csv"]
    assert len(names(catalog, DayRange())) == 7
