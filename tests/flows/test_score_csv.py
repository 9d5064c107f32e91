"""The predictions of a batch as CSV, by the command line."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.cli.commands import main
from headlines.storage.data_root import DataRoot

TITLES = ["=警方通报一起案件", "小学生获奖", "天气变化早知道"]


@pytest.mark.usefixtures("prefect_server")
def test_csv_of_a_scored_and_of_a_reused_batch(
    root: DataRoot,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    corpus_file: Path,
    small_preset: str,
    write_batch: Callable[[Path, list[str]], Path],
) -> None:
    main(["ingest", str(corpus_file)])
    main(["train", "--preset", small_preset, "--corpus", "news"])
    file = write_batch(tmp_path / "news.csv", TITLES)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"

    main(["score", str(file), "--csv", str(first)])
    assert f"csv: {first}" in capsys.readouterr().out
    main(["score", str(file), "--csv", str(second), "--json"])
    result = json.loads(capsys.readouterr().out)

    assert result["batches"][0]["outcome"] == "reused"
    assert result["csv"] == str(second)
    assert first.read_bytes() == second.read_bytes()
    with first.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines, strict=True))
    assert [row["title"] for row in rows] == ["'" + TITLES[0], *TITLES[1:]]
    assert [row["id"] for row in rows] == ["n-0", "n-1", "n-2"]
    assert json.loads(rows[0]["extra"]) == {"source": "搜狐"}
    assert root.store.path(root.predictions_of("news.csv")).exists()


@pytest.mark.parametrize(
    ("csv_file", "said"),
    [
        ("none/out.csv", "cannot write to"),
        ("news.csv", "would overwrite the headlines"),
        ("data/inbox/out.csv", "data root"),
    ],
)
def test_an_invalid_csv_path_is_refused_before_scoring(
    root: DataRoot,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    write_batch: Callable[[Path, list[str]], Path],
    csv_file: str,
    said: str,
) -> None:
    root.store.path(root.inbox).mkdir(parents=True)
    file = write_batch(tmp_path / "news.csv", TITLES)
    before = file.read_bytes()
    with pytest.raises(SystemExit) as left:
        main(["score", str(file), "--csv", str(tmp_path / csv_file)])
    assert left.value.code == 2
    assert said in capsys.readouterr().err
    assert file.read_bytes() == before
    assert list(root.store.directory.rglob("*")) == [root.store.path(root.inbox)]


def test_the_csv_is_of_one_batch(
    root: DataRoot,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    write_batch: Callable[[Path, list[str]], Path],
) -> None:
    files = [str(write_batch(tmp_path / name, TITLES)) for name in ("a.csv", "b.csv")]
    with pytest.raises(SystemExit) as left:
        main(["score", *files, "--csv", str(tmp_path / "out.csv")])
    assert left.value.code == 2
    assert "--csv: only one batch can be written" in capsys.readouterr().err
    assert not root.store.directory.exists()
