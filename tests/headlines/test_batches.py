"""Batches: their names, and what of the inbox is one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from headlines.batches import Batch, State, read_inbox, release, state_of, waiting_error
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


def test_no_inbox_is_an_empty_one(catalog: Catalog) -> None:
    assert read_inbox(catalog).batches == []


def test_a_stopped_batch_waits_for_other_bytes_or_options(
    catalog: Catalog, write_batch: Writer
) -> None:
    file = write_batch(catalog.inbox / "b.csv", ["喜讯"])
    batch = Batch.of_file(catalog, file)
    assert state_of(catalog, batch, "utf-8", 0.05) is State.DUE
    stop(catalog, batch, "utf-8", 0.05, InputError("half of it is missing", "b.csv", "mend it"))

    assert state_of(catalog, batch, "utf-8", 0.05) is State.FAILED
    assert "half of it is missing" in str(waiting_error(catalog, batch))
    assert state_of(catalog, batch, "gb18030", 0.05) is State.DUE
    assert state_of(catalog, batch, "utf-8", 0.5) is State.DUE
    write_batch(file, ["喜讯", "天气"])
    assert state_of(catalog, Batch.of_file(catalog, file), "utf-8", 0.05) is State.DUE
    release(catalog, batch)
    assert state_of(catalog, batch, "utf-8", 0.05) is State.DUE
