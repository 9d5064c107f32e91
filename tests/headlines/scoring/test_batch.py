"""Batches: their names, their files, and what is to be done with them."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from headlines.errors import InputError
from headlines.hashing import file_sha256
from headlines.nightly.inbox import read_inbox
from headlines.scoring.batch import Batch, check_unique_names, resolve_batches
from headlines.scoring.batch_state import (
    BatchState,
    batch_state,
    claim,
    clear_failure,
    failed_before_error,
)
from headlines.scoring.commit import record_failure
from headlines.scoring.prepare import prepare_batch
from headlines.scoring.read_files import REJECTS_FILE
from headlines.storage.artifact import Artifact, combined_digest
from headlines.storage.data_root import DataRoot
from headlines.storage.file_digests import FileDigestCache
from headlines.storage.manifest import Recipe
from tests.score import OPTIONS

Writer = Callable[[Path, list[str]], Path]


def test_a_batch_is_named_by_its_place_in_the_inbox(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    inside = write_batch(root.store.directory / root.inbox / "2026" / "头条 1.csv", ["喜讯"])
    outside = write_batch(tmp_path / "elsewhere" / "头条 1.csv", ["喜讯"])
    assert Batch.of_file(root, inside).name == "2026/头条 1.csv"
    assert Batch.of_file(root, outside).name == "头条 1.csv"
    assert Batch.of_file(root, outside, "other.csv").name == "other.csv"
    with pytest.raises(InputError, match="cannot be a batch name"):
        Batch.of_file(root, outside, "../other.csv")


def test_one_file_is_one_batch_however_its_path_is_spelt(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    file = write_batch(root.store.directory / root.inbox / "day" / "a.csv", ["喜讯"])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(root.store.directory / root.inbox / "day")
    roundabout = tmp_path / "elsewhere" / ".." / "data" / "inbox" / "day" / "a.csv"
    for spelling in (file, roundabout, tmp_path / "link" / "a.csv"):
        assert Batch.of_file(root, spelling).name == "day/a.csv"


def test_an_inbox_that_is_a_link_inside_the_data_root(root: DataRoot, write_batch: Writer) -> None:
    target = root.store.directory / "drop"
    file = write_batch(target / "day" / "a.csv", ["喜讯"])
    inbox = root.store.directory / root.inbox
    inbox.symlink_to(target)
    for path in (file, inbox / "day" / "a.csv"):
        assert Batch.of_file(root, path).name == "day/a.csv"
    assert [batch.name for batch in read_inbox(root).batches] == ["day/a.csv"]


def test_a_name_that_readers_take_for_a_date_is_refused(
    root: DataRoot, write_batch: Writer
) -> None:
    file = write_batch(root.store.directory / root.inbox / "a.csv", ["喜讯"])
    with pytest.raises(InputError, match="does not end in"):
        Batch.of_file(root, file, "2026-11-20")


def test_namesakes_are_refused(root: DataRoot, tmp_path: Path, write_batch: Writer) -> None:
    files = [write_batch(tmp_path / day / "n.csv", [day]) for day in ("mon", "tue")]
    mon, tue = (Batch.of_file(root, file) for file in files)
    check_unique_names(root, [mon])
    with pytest.raises(InputError, match=r"two files have the batch name 'n\.csv'"):
        check_unique_names(root, [mon, tue])


def test_a_stopped_batch_waits_for_other_bytes(root: DataRoot, write_batch: Writer) -> None:
    file = write_batch(root.store.directory / root.inbox / "b.csv", ["喜讯"])
    batch = Batch.of_file(root, file)
    assert batch_state(root, batch) is BatchState.DUE
    record_failure(root, batch, OPTIONS, InputError("half of it is missing", "b.csv", "fix it"))

    assert batch_state(root, batch) is BatchState.FAILED
    assert "half of it is missing" in str(failed_before_error(root, batch))
    write_batch(file, ["喜讯", "天气"])
    assert batch_state(root, Batch.of_file(root, file)) is BatchState.DUE
    write_batch(file, ["喜讯"])
    assert batch_state(root, batch) is BatchState.FAILED
    clear_failure(root, batch)
    assert batch_state(root, batch) is BatchState.DUE


def publish_predictions(root: DataRoot, batch: Batch, model: str = "m") -> Artifact:
    """Publish predictions of a batch without a model."""

    def write(draft: Path) -> dict[str, Any]:
        (draft / "part-00000.csv").write_text(model, encoding="utf-8")
        return {}

    recipe = Recipe("predictions", 1, (batch.as_source(root),), {"model": model})
    return root.store.publish(root.predictions_of(batch.name), recipe, write, keep_old=True)


def test_only_other_bytes_make_a_scored_batch_due(root: DataRoot, write_batch: Writer) -> None:
    file = write_batch(root.store.directory / root.inbox / "a.csv", ["喜讯"])
    batch = Batch.of_file(root, file)
    assert batch_state(root, batch) is BatchState.DUE
    publish_predictions(root, batch, "first")
    assert batch_state(root, batch) is BatchState.SCORED
    os.utime(file, (0, 0))
    publish_predictions(root, batch, "second")  # by another model, as --rescore does
    assert batch_state(root, Batch.of_file(root, file)) is BatchState.SCORED
    assert root.store.open("superseded/predictions/batch=a.csv~1") is not None

    write_batch(file, ["喜讯", "天气"])
    revised = Batch.of_file(root, file)
    assert batch_state(root, revised) is BatchState.REVISED
    assert batch_state(root, batch) is BatchState.SCORED  # what another run knew stays true of it
    publish_predictions(root, revised, "second")
    assert batch_state(root, revised) is BatchState.SCORED
    assert batch_state(root, batch) is BatchState.REVISED


def test_a_stopped_revision_waits_and_leaves_the_predictions(
    root: DataRoot, write_batch: Writer
) -> None:
    file = write_batch(root.store.directory / root.inbox / "a.csv", ["喜讯"])
    good = Batch.of_file(root, file)
    made = publish_predictions(root, good)
    write_batch(file, ["", ""])
    bad = Batch.of_file(root, file)
    record_failure(root, bad, OPTIONS, InputError("blank", "a.csv", "fix it"))
    assert batch_state(root, bad) is BatchState.FAILED
    assert root.store.open(made.name) is not None
    write_batch(file, ["喜讯"])  # put back as it was
    assert batch_state(root, Batch.of_file(root, file)) is BatchState.SCORED
    clear_failure(root, bad)
    assert batch_state(root, bad) is BatchState.REVISED


def test_damaged_predictions_are_found_despite_cached_digests(
    root: DataRoot, write_batch: Writer
) -> None:
    batch = Batch.of_file(root, write_batch(root.store.directory / root.inbox / "a.csv", ["喜讯"]))
    part = publish_predictions(root, batch).files()[0]
    digests = FileDigestCache(root)
    assert batch_state(root, batch, digests.of) is BatchState.SCORED
    part.write_text("x", encoding="utf-8")
    assert batch_state(root, batch, digests.of) is BatchState.DUE
    assert not part.exists()  # quarantined


def test_a_batch_of_long_ago_costs_a_night_no_reading(
    root: DataRoot, write_batch: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_batch(root.store.directory / root.inbox / "a.csv", ["喜讯"])
    part = publish_predictions(root, Batch.of_file(root, file)).files()[0]
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 60 * 10**9)  # no file is of a moment ago
    read: list[Path] = []
    plain = Path.open

    def noted(path: Path, *arguments: Any, **options: Any) -> Any:
        read.append(path)
        return plain(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", noted)
    for night in range(3):
        digests = FileDigestCache(root)
        [batch] = read_inbox(root, digests.of).batches
        assert batch_state(root, batch, digests.of) is BatchState.SCORED
        digests.save()
        assert (file in read, part in read) == (night == 0, night == 0)
        read.clear()
    assert batch_state(root, batch) is BatchState.SCORED
    assert part in read  # whoever scores by hand has all checked


def test_a_batch_belongs_to_one_run_at_a_time(root: DataRoot, write_batch: Writer) -> None:
    batch = Batch.of_file(root, write_batch(root.store.directory / root.inbox / "a.csv", ["喜讯"]))
    ready = threading.Barrier(8)
    published: list[bool] = []

    def run() -> None:
        ready.wait(60)
        with claim(root, batch):
            if batch_state(root, batch) is not BatchState.SCORED:
                published.append(publish_predictions(root, batch).reused)

    runs = [threading.Thread(target=run) for _ in range(8)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    assert published == [False]


def write_folder(folder: Path, parts: dict[str, str]) -> Path:
    for name, text in parts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_folder_that_is_named_like_a_file_is_one_batch(root: DataRoot) -> None:
    folder = write_folder(
        root.store.directory / root.inbox / "day" / "2026-11-20.csv",
        {
            "part-1.csv": "title,n\n天气,3\n,4\n",
            "part-0.csv": "title,n\n喜讯,1\n公告,2\n",
            "_SUCCESS": "",
            ".part-0.csv.crc": "?",
            "_logs/part-9.csv": "title\n日志\n",
        },
    )
    batch = Batch.of_folder(root, folder)

    assert batch.name == "day/2026-11-20.csv"
    assert batch.files == (folder / "part-0.csv", folder / "part-1.csv")
    admitted = prepare_batch(root, batch, OPTIONS)
    assert (admitted.counts["rows_in"], admitted.counts["rejected"]) == (4, 1)
    rejects = pq.read_table(admitted.directory / REJECTS_FILE)
    assert rejects.column("row").to_pylist() == [3]  # numbered through the files


def test_the_digest_of_a_folder_is_over_its_names_and_bytes(root: DataRoot) -> None:
    parts = {"a.csv": "title\n喜讯\n", "b.csv": "title\n天气\n"}
    changed = {
        "other bytes": parts | {"b.csv": "title\n公告\n"},
        "exchanged": {"a.csv": parts["b.csv"], "b.csv": parts["a.csv"]},
        "another name": {"a.csv": parts["a.csv"], "c.csv": parts["b.csv"]},
        "one more": parts | {"c.csv": "title\n公告\n"},
        "one less": {"a.csv": parts["a.csv"]},
    }
    digests = {
        name: Batch.of_folder(
            root, write_folder(root.store.directory / root.inbox / f"{name}.csv", files)
        ).sha256
        for name, files in {"as it was": parts, **changed}.items()
    }
    assert len(set(digests.values())) == len(digests)
    again = write_folder(root.store.directory / root.inbox / "again.csv", parts)
    assert Batch.of_folder(root, again).sha256 == digests["as it was"]


def test_one_file_in_a_folder_has_the_digest_of_the_file(root: DataRoot) -> None:
    folder = write_folder(
        root.store.directory / root.inbox / "a.csv", {"part-0.csv": "title\n喜讯\n"}
    )
    batch = Batch.of_folder(root, folder)
    assert batch.sha256 == file_sha256(folder / "part-0.csv")
    assert batch.as_source(root).files == ("part-0.csv",)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"_SUCCESS": ""}, "no files"),
        ({"a.csv": "title\n", "notes.txt": "?"}, "'notes.txt' in it"),
        ({"a.csv": "title\n", "b.csv.part": "?"}, "wait until it is written"),
        ({"a.csv": "title\n", "_temporary/0/b.csv": "?"}, "still being written"),
        ({"day=1/a.csv": "title\n"}, "'day=1' in it stands for a column"),
    ],
)
def test_a_folder_of_which_rows_would_be_missing_is_refused(
    root: DataRoot, parts: dict[str, str], said: str
) -> None:
    folder = write_folder(root.store.directory / root.inbox / "a.csv", parts)
    with pytest.raises(InputError, match=said):
        Batch.of_folder(root, folder)


def test_any_folder_is_a_batch_under_a_name(root: DataRoot, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "export", {"a.csv": "title\n喜讯\n"})
    with pytest.raises(InputError, match="--batch"):
        resolve_batches(root, [folder], None)
    [batch] = resolve_batches(root, [folder], "export.csv")
    assert (batch.name, batch.path) == ("export.csv", folder)


def test_several_files_are_one_batch_under_a_name(
    root: DataRoot, tmp_path: Path, write_batch: Writer
) -> None:
    first, second = (write_batch(tmp_path / f"{n}.csv", [n]) for n in ("x/a", "b"))
    [batch] = resolve_batches(root, [first, second], "both.csv")
    [turned] = resolve_batches(root, [second, first], "both.csv")

    assert batch == turned
    assert batch.path == tmp_path
    assert batch.files == (second, first)
    assert batch.as_source(root).files == ("b.csv", "x/a.csv")
    assert [batch.name for batch in resolve_batches(root, [first, second], None)] == [
        "a.csv",
        "b.csv",
    ]
    with pytest.raises(InputError, match="named twice"):
        resolve_batches(root, [first, tmp_path / "x" / ".." / "x" / "a.csv"], "both.csv")


def test_a_file_of_a_folder_batch_is_not_a_batch(root: DataRoot) -> None:
    folder = write_folder(
        root.store.directory / root.inbox / "a.csv", {"part-0.csv": "title\n喜讯\n"}
    )
    with pytest.raises(InputError, match=r"part of the batch 'a\.csv'"):
        Batch.of_file(root, folder / "part-0.csv")


def test_files_of_a_folder_are_in_natural_order(root: DataRoot, tmp_path: Path) -> None:
    parts = [f"part.{number}.csv" for number in range(12)]
    folder = write_folder(
        root.store.directory / root.inbox / "a.csv", dict.fromkeys(parts, "title\n喜讯\n")
    )
    assert [file.name for file in Batch.of_folder(root, folder).files] == parts
    backwards = [folder / name for name in reversed(parts)]
    assert [file.name for file in Batch.of_files(backwards, "b.csv").files] == parts


def test_the_digest_of_a_batch_does_not_depend_on_the_order(root: DataRoot) -> None:
    """Batches that were scored when folders were read by the order of text stay scored."""
    parts = {f"part.{number}.csv": f"title\n喜讯{number}\n" for number in (2, 10)}
    folder = write_folder(root.store.directory / root.inbox / "a.csv", parts)
    names = sorted(parts)
    digests = [file_sha256(folder / name) for name in names]
    assert Batch.of_folder(root, folder).sha256 == combined_digest(names, digests)


def test_a_pipe_is_named_as_what_it_is(root: DataRoot, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "news.csv")
    with pytest.raises(InputError, match="headlines score -"):
        resolve_batches(root, [tmp_path / "news.csv"], None)
    with pytest.raises(InputError, match="headlines score -"):
        resolve_batches(root, [tmp_path / "news.csv", tmp_path / "other.csv"], "b.csv")
