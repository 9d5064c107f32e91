"""Several processes that write, rebuild and read one artifact at the same time."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import MANIFEST

from .conftest import Victim, drafts, predicted, results, write_batch

WRITERS, ROUNDS = 8, 5
MANY_WRITERS, MANY_ROUNDS = 16, 50


@pytest.mark.parametrize("writers", [2, WRITERS])
def test_writers_of_one_key_share_one_artifact(
    victim: Victim, tmp_path: Path, writers: int
) -> None:
    for number in range(ROUNDS):
        data = DataRoot.open(tmp_path / str(number))
        contents = ["same"] * writers
        returned = victim.do("race", data.store.directory, contents=contents, keep_old=True)[
            "result"
        ]

        artifact = data.store.open("reports/example")
        assert artifact
        files = {entry.path: entry.sha256 for entry in artifact.manifest.files}
        assert [(one["key"], one["files"]) for one in returned] == [
            (artifact.manifest.key, files)
        ] * writers
        assert sum(not one["reused"] for one in returned) == 1
        assert list(results(data.store.directory)) == ["reports/example"]
        assert not drafts(data.store.directory)


@pytest.mark.parametrize("writers", [2, WRITERS])
def test_writers_of_different_keys_lose_nothing(
    victim: Victim, tmp_path: Path, writers: int
) -> None:
    contents = [f"content {number}" for number in range(writers)]
    for number in range(ROUNDS):
        data = DataRoot.open(tmp_path / str(number))
        returned = victim.do("race", data.store.directory, contents=contents, keep_old=True)[
            "result"
        ]

        names = ["reports/example", *data.store.list_artifacts("superseded/reports")]
        opened = [data.store.open(name) for name in names]
        assert all(opened)
        kept = [artifact.manifest.config["content"] for artifact in opened if artifact]
        assert sorted(kept) == contents
        assert not any(one["reused"] for one in returned)
        assert not drafts(data.store.directory)


def test_writers_of_different_keys_leave_one_where_none_is_kept(
    victim: Victim, tmp_path: Path
) -> None:
    contents = [f"content {number}" for number in range(WRITERS)]
    for number in range(ROUNDS):
        data = DataRoot.open(tmp_path / str(number))
        victim.do("race", data.store.directory, contents=contents, keep_old=False)

        assert data.store.open("reports/example")
        assert list(results(data.store.directory)) == ["reports/example"]
        assert not drafts(data.store.directory)


def test_a_damaged_artifact_is_mended_once_by_many(victim: Victim, tmp_path: Path) -> None:
    for number in range(ROUNDS):
        data = DataRoot.open(tmp_path / str(number))
        victim.do("publish_example", data.store.directory, content="same")
        whole = results(data.store.directory)
        (data.store.directory / "reports/example/part-1.parquet").write_bytes(b"PAR1")

        victim.do("rebuild", data.store.directory, content="same", writers=WRITERS)

        assert results(data.store.directory) == whole
        quarantined = [*(data.store.work / "damaged/reports").glob("*")]
        assert [(place / "part-1.parquet").read_bytes() for place in quarantined] == [b"PAR1"]
        assert not drafts(data.store.directory)


def test_a_replacement_during_a_read_is_not_damage(victim: Victim, tmp_path: Path) -> None:
    data = DataRoot.open(tmp_path)
    contents = ["one", "two"]
    victim.do("replace_while_read", data.store.directory, contents=contents, rounds=100)

    assert data.store.open("reports/example")
    assert not [*(data.store.work / "damaged").rglob("*")]
    assert not drafts(data.store.directory)


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


def race_for_a_batch(victim: Victim, directory: Path, processes: int) -> Counter[str]:
    """Have processes score one batch all at once; what each did, and what is there then."""
    victim.do("first_model", directory)
    write_batch(directory, "first")
    returned = victim.do("score_together", directory, processes=processes)["result"]
    data = DataRoot.open(directory)
    seen = Counter(f"returned {one}" for one in returned)
    seen["artifacts"] = sum(
        path.name == MANIFEST for path in (directory / data.predictions).rglob("*")
    )
    seen["duplicated rows"] = len(rows := predicted(directory)) - len(set(rows))
    seen["lost rows"] = len({*range(10)} - {*rows} - {1, 6})
    seen["quarantined or superseded"] = len([*data.store.work.glob("damaged/*")])
    seen["quarantined or superseded"] += len([*directory.glob("superseded/*")])
    seen["left behind"] = len(drafts(directory)) + len([*data.store.work.glob("chunks/*")])
    assert data.store.open(data.predictions_of("news.csv"))
    return +seen  # without what is 0


def test_processes_race_for_a_batch_and_one_scores_it(victim: Victim, tmp_path: Path) -> None:
    for number in range(2):
        seen = race_for_a_batch(victim, tmp_path / str(number), WRITERS)
        assert seen == {"returned scored": 1, "returned reused": WRITERS - 1, "artifacts": 1}


@pytest.mark.slow
@pytest.mark.faults
def test_sixteen_processes_race_for_a_batch_fifty_times(
    victim: Victim, tmp_path: Path, count: Callable[..., None]
) -> None:
    seen: Counter[str] = Counter()
    for number in range(MANY_ROUNDS):
        seen += race_for_a_batch(victim, tmp_path / str(number), MANY_WRITERS)
    expected = {"returned scored": 1, "returned reused": MANY_WRITERS - 1, "artifacts": 1}
    count(
        "races for a batch", rounds=MANY_ROUNDS, **{k.replace(" ", "_"): n for k, n in seen.items()}
    )
    assert seen == {what: MANY_ROUNDS * number for what, number in expected.items()}


@pytest.mark.slow
@pytest.mark.faults
def test_sixteen_writers_of_one_key_fifty_times(
    victim: Victim, tmp_path: Path, count: Callable[..., None]
) -> None:
    made = artifacts = 0
    for number in range(MANY_ROUNDS):
        root = tmp_path / str(number)
        contents = ["same"] * MANY_WRITERS
        returned = victim.do("race", root, contents=contents, keep_old=True)["result"]
        made += sum(not one["reused"] for one in returned)
        artifacts += len(results(root))
        assert not drafts(root)
    count("writers of one key", rounds=MANY_ROUNDS, made=made, artifacts=artifacts)
    assert made == artifacts == MANY_ROUNDS
