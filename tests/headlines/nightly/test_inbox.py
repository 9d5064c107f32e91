"""Which files of the inbox are batches, are not, or are not yet."""

import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from headlines.nightly.inbox import read_inbox
from headlines.storage.data_root import DataRoot
from headlines.storage.day_range import DayRange

Writer = Callable[[Path, list[str]], Path]


def names(root: DataRoot, days: DayRange) -> list[str]:
    return [batch.name for batch in read_inbox(root, days=days).batches]


def test_batches_are_distinguished_from_other_files(root: DataRoot, write_batch: Writer) -> None:
    for name in ("b.csv", "a.jsonl", "day/c.tsv", ".hidden.csv", ".cache/d.csv", "%2e.csv"):
        write_batch(root.store.directory / root.inbox / name, ["喜讯"])
    for name in ("notes.txt", "half.csv.part"):
        (root.store.directory / root.inbox / name).write_text("?", encoding="utf-8")

    inbox = read_inbox(root)

    assert [batch.name for batch in inbox.batches] == ["a.jsonl", "b.csv", "day/c.tsv"]
    assert sorted(inbox.skipped) == ["%2e.csv", ".hidden.csv", "half.csv.part", "notes.txt"]
    assert "cannot be a batch name" in inbox.skipped["%2e.csv"]


def test_chinese_punctuation_is_harmless_in_names(root: DataRoot, write_batch: Writer) -> None:
    expected = ["【头条】“要闻”：今日.csv", "新闻（第1批）.csv"]
    for name in (*expected, "头条?.csv"):
        write_batch(root.store.directory / root.inbox / name, ["喜讯"])
    inbox = read_inbox(root)
    assert sorted(batch.name for batch in inbox.batches) == sorted(expected)
    assert "it may not have '?'" in inbox.skipped["头条?.csv"]


def test_links_that_leave_the_inbox_are_not_followed(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    secret = write_batch(tmp_path / "secret.csv", ["喜讯"])
    inside = write_batch(root.store.directory / root.inbox / "a.csv", ["喜讯"])
    (root.store.directory / root.inbox / "leak.csv").symlink_to(secret)
    (root.store.directory / root.inbox / "broken.csv").symlink_to(
        root.store.directory / root.inbox / "gone.csv"
    )
    (root.store.directory / root.inbox / "same.csv").symlink_to(inside)

    inbox = read_inbox(root)

    assert [batch.name for batch in inbox.batches] == ["a.csv", "same.csv"]
    assert sorted(inbox.skipped) == ["broken.csv", "leak.csv"]
    assert "out of the inbox" in inbox.skipped["leak.csv"]


def test_no_inbox_is_an_empty_one(root: DataRoot) -> None:
    assert read_inbox(root).batches == []


def test_a_folder_is_one_batch_or_holds_batches(root: DataRoot, write_batch: Writer) -> None:
    for name in ("2026.csv/part-0.csv", "2026.csv/part-1.csv", "late/a.csv", "mixed.csv/a.csv"):
        write_batch(root.store.directory / root.inbox / name, ["喜讯"])
    (root.store.directory / root.inbox / "mixed.csv" / "notes.txt").write_text(
        "?", encoding="utf-8"
    )

    inbox = read_inbox(root)

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
    root: DataRoot, write_batch: Writer, name: str
) -> None:
    write_batch(root.store.directory / root.inbox / name, ["喜讯"])
    inbox = read_inbox(root)
    assert inbox.batches == []
    assert "still being written" in inbox.skipped[name.split("/")[0]]


def test_hidden_batch_files_are_reported_and_others_ignored(
    root: DataRoot, write_batch: Writer
) -> None:
    for name in (".a.csv.Xa81bQ", ".DS_Store", ".gitkeep"):  # the first is rsync's
        write_batch(root.store.directory / root.inbox / name, ["喜讯"])
    assert list(read_inbox(root).skipped) == [".a.csv.Xa81bQ"]


def test_links_out_of_a_folder_batch_are_not_followed(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    write_batch(root.store.directory / root.inbox / "a.csv" / "part-0.csv", ["喜讯"])
    secret = write_batch(tmp_path / "secret.csv", ["喜讯"])
    (root.store.directory / root.inbox / "a.csv" / "part-1.csv").symlink_to(secret)
    inbox = read_inbox(root)
    assert inbox.batches == []
    assert "out of the inbox" in inbox.skipped["a.csv"]


def test_a_pipe_is_not_opened(root: DataRoot) -> None:
    (root.store.directory / root.inbox).mkdir(parents=True)
    os.mkfifo(root.store.directory / root.inbox / "pipe.csv")  # opening it would wait for ever
    assert read_inbox(root).skipped == {"pipe.csv": "not a regular file"}


def test_a_batch_settles_before_it_is_scored(root: DataRoot, write_batch: Writer) -> None:
    new = write_batch(root.store.directory / root.inbox / "new.csv", ["喜讯"])
    folder = root.store.directory / root.inbox / "folder.csv"
    for number in range(2):
        write_batch(folder / f"{number}.csv", ["喜讯"])
    hour_ago = time.time() - 3600
    os.utime(folder / "0.csv", (hour_ago, hour_ago))

    inbox = read_inbox(root, settle_seconds=600)
    assert inbox.batches == []
    assert sorted(inbox.settling) == ["folder.csv", "new.csv"]  # the newest file counts
    assert "left for the next night" in inbox.settling["new.csv"]
    assert inbox.skipped == {}

    for path in (new, folder / "1.csv"):
        os.utime(path, (hour_ago, hour_ago))
    # What was added to a folder may keep its old times, as with `rsync -a`; the folder's counts.
    assert sorted(read_inbox(root, settle_seconds=600).settling) == ["folder.csv"]

    os.utime(folder, (hour_ago, hour_ago))
    inbox = read_inbox(root, settle_seconds=600)
    assert [batch.name for batch in inbox.batches] == ["folder.csv", "new.csv"]
    assert len(read_inbox(root, settle_seconds=0).batches) == 2


def test_a_future_modification_time_delays_a_batch_only_once(
    root: DataRoot, write_batch: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_batch(root.store.directory / root.inbox / "a.csv", ["喜讯"])
    year = 365 * 24 * 3600
    os.utime(file, (time.time() + year, time.time() + year))
    assert list(read_inbox(root, settle_seconds=600).settling) == ["a.csv"]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 601)  # the next night, long before that year
    assert read_inbox(root, settle_seconds=600).settling == {}


def test_batches_of_some_days(root: DataRoot, write_batch: Writer) -> None:
    for name in (
        "2026-11-19.csv", "2026-11-20.csv", "news_20261121.csv", "date=2026-11-22/a.csv",
        "2026/11/23/a.csv", "undated.csv", "20269999.csv",
    ):  # fmt: skip
        write_batch(root.store.directory / root.inbox / name, ["喜讯"])
    some = DayRange(date(2026, 11, 20), date(2026, 11, 22))

    inbox = read_inbox(root, days=some)

    assert [batch.name for batch in inbox.batches] == [
        "2026-11-20.csv", "date=2026-11-22/a.csv", "news_20261121.csv",
    ]  # fmt: skip
    assert sorted(inbox.other_days) == ["2026-11-19.csv", "2026/11/23/a.csv"]
    assert sorted(inbox.undated) == ["20269999.csv", "undated.csv"]
    assert names(root, DayRange(first=date(2026, 11, 23))) == ["2026/11/23/a.csv"]
    assert names(root, DayRange(last=date(2026, 11, 19))) == ["2026-11-19.csv"]
    assert len(names(root, DayRange())) == 7
