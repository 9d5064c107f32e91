"""Batches: their names, and what of the inbox is one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from headlines.batches import (
    Batch,
    State,
    read_inbox,
    refuse_namesakes,
    release,
    state_of,
    waiting_error,
)
from headlines.catalog import Catalog
from headlines.errors import InputError
from headlines.scoring import stop

Writer = Callable[[Path, list[str]], Path]


def test_a_batch_is_named_by_its_place_in_the_inbox(
    catalog: Catalog, tmp_path: Path, write_batch: Writer
) -> None:
    inside = write_batch(catalog.inbox / "2026" / "头条 1.csv", ["喜讯"])
    outside = write_batch(tmp_path / "elsewhere" / "头条 1.csv", ["喜讯"])
    assert Batch.of_file(catalog, inside).name == "2026/头条 1.csv"
    assert Batch.of_file(catalog, outside).name == "头条 1.csv"
    assert Batch.of_file(catalog, outside, "other.csv").name == "other.csv"
    with pytest.raises(InputError, match="cannot be a batch name"):
        Batch.of_file(catalog, outside, "../other.csv")


def test_the_inbox_tells_batches_from_other_files(catalog: Catalog, write_batch: Writer) -> None:
    for name in ("b.csv", "a.jsonl", "day/c.tsv", ".hidden.csv", ".cache/d.csv", "%2e.csv"):
        write_batch(catalog.inbox / name, ["喜讯"])
    for name in ("notes.txt", "half.csv.part"):
        (catalog.inbox / name).write_text("?", encoding="utf-8")

    inbox = read_inbox(catalog)

    assert [batch.name for batch in inbox.batches] == ["a.jsonl", "b.csv", "day/c.tsv"]
    assert sorted(inbox.skipped) == ["%2e.csv", "half.csv.part", "notes.txt"]
    assert "cannot be a batch name" in inbox.skipped["%2e.csv"]


def test_one_file_is_one_batch_however_its_path_is_spelt(
    catalog: Catalog, tmp_path: Path, write_batch: Writer
) -> None:
    file = write_batch(catalog.inbox / "day" / "a.csv", ["喜讯"])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(catalog.inbox / "day")
    roundabout = tmp_path / "elsewhere" / ".." / "data" / "inbox" / "day" / "a.csv"
    for spelling in (file, roundabout, tmp_path / "link" / "a.csv"):
        assert Batch.of_file(catalog, spelling).name == "day/a.csv"


def test_a_name_that_readers_take_for_a_date_is_refused(
    catalog: Catalog, write_batch: Writer
) -> None:
    file = write_batch(catalog.inbox / "a.csv", ["喜讯"])
    with pytest.raises(InputError, match="does not end in"):
        Batch.of_file(catalog, file, "2026-11-20")


def test_namesakes_are_refused(catalog: Catalog, tmp_path: Path, write_batch: Writer) -> None:
    files = [write_batch(tmp_path / day / "n.csv", [day]) for day in ("mon", "tue")]
    mon, tue = (Batch.of_file(catalog, file) for file in files)
    refuse_namesakes(catalog, [mon])
    with pytest.raises(InputError, match=r"another file is named 'n\.csv' too"):
        refuse_namesakes(catalog, [mon, tue])


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


def test_a_stopped_batch_waits_for_other_bytes(catalog: Catalog, write_batch: Writer) -> None:
    file = write_batch(catalog.inbox / "b.csv", ["喜讯"])
    batch = Batch.of_file(catalog, file)
    assert state_of(catalog, batch) is State.DUE
    stop(catalog, batch, "utf-8", InputError("half of it is missing", "b.csv", "mend it"))

    assert state_of(catalog, batch) is State.FAILED
    assert "half of it is missing" in str(waiting_error(catalog, batch))
    write_batch(file, ["喜讯", "天气"])
    assert state_of(catalog, Batch.of_file(catalog, file)) is State.DUE
    write_batch(file, ["喜讯"])
    assert state_of(catalog, batch) is State.FAILED
    release(catalog, batch)
    assert state_of(catalog, batch) is State.DUE
