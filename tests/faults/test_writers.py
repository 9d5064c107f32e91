"""Several processes that write, mend and read one artifact at the same time."""

from pathlib import Path

import pytest

from headlines.artifact import open_artifact
from headlines.catalog import Catalog

from .conftest import Victim, drafts, predicted, results, write_batch

WRITERS, ROUNDS = 8, 5


@pytest.mark.parametrize("writers", [2, WRITERS])
def test_writers_of_one_key_share_one_artifact(
    victim: Victim, tmp_path: Path, writers: int
) -> None:
    for number in range(ROUNDS):
        catalog = Catalog(tmp_path / str(number))
        contents = ["same"] * writers
        told = victim.do("race", catalog.root, contents=contents, keep_superseded=True)["result"]

        artifact = open_artifact(catalog.reports / "example")
        assert artifact
        files = {entry.path: entry.sha256 for entry in artifact.manifest.files}
        assert [(one["key"], one["files"]) for one in told] == [
            (artifact.manifest.key, files)
        ] * writers
        assert sum(not one["reused"] for one in told) == 1
        assert list(results(catalog.root)) == ["reports/example"]
        assert not drafts(catalog.root)


@pytest.mark.parametrize("writers", [2, WRITERS])
def test_writers_of_different_keys_lose_nothing(
    victim: Victim, tmp_path: Path, writers: int
) -> None:
    contents = [f"content {number}" for number in range(writers)]
    for number in range(ROUNDS):
        catalog = Catalog(tmp_path / str(number))
        told = victim.do("race", catalog.root, contents=contents, keep_superseded=True)["result"]

        places = [catalog.reports / "example"]
        places += (catalog.root / "superseded/reports").glob("*")
        opened = [open_artifact(place) for place in places]
        assert all(opened)
        kept = [artifact.manifest.config["content"] for artifact in opened if artifact]
        assert sorted(kept) == contents
        assert not any(one["reused"] for one in told)
        assert not drafts(catalog.root)


def test_writers_of_different_keys_leave_one_where_none_is_kept(
    victim: Victim, tmp_path: Path
) -> None:
    contents = [f"content {number}" for number in range(WRITERS)]
    for number in range(ROUNDS):
        catalog = Catalog(tmp_path / str(number))
        victim.do("race", catalog.root, contents=contents, keep_superseded=False)

        assert open_artifact(catalog.reports / "example")
        assert list(results(catalog.root)) == ["reports/example"]
        assert not drafts(catalog.root)


def test_a_damaged_artifact_is_mended_once_by_many(victim: Victim, tmp_path: Path) -> None:
    for number in range(ROUNDS):
        catalog = Catalog(tmp_path / str(number))
        victim.do("publish_example", catalog.root, content="same")
        whole = results(catalog.root)
        (catalog.reports / "example/part-1.parquet").write_bytes(b"PAR1")

        victim.do("mend", catalog.root, content="same", writers=WRITERS)

        assert results(catalog.root) == whole
        aside = [*(catalog.work / "damaged/reports").glob("*")]
        assert [(place / "part-1.parquet").read_bytes() for place in aside] == [b"PAR1"]
        assert not drafts(catalog.root)


def test_what_is_replaced_while_it_is_read_is_not_taken_for_damaged(
    victim: Victim, tmp_path: Path
) -> None:
    catalog = Catalog(tmp_path)
    contents = ["one", "two"]
    victim.do("replace_while_read", catalog.root, contents=contents, rounds=100)

    assert open_artifact(catalog.reports / "example")
    assert not [*(catalog.work / "damaged").rglob("*")]
    assert not drafts(catalog.root)


def test_batches_of_the_same_rows_do_not_take_each_others_pieces(
    victim: Victim, tmp_path: Path
) -> None:
    victim.do("first_model", tmp_path)
    names = ["a.csv", "b.csv"]
    for name in names:
        write_batch(tmp_path, "first", name)
    victim.do("score_two", tmp_path, names=names)
    rows = predicted(tmp_path)
    assert rows == sorted(rows[::2] * 2)
    assert len(rows) == 2 * 8
