"""The flow `folds`: a training for each fold, none twice, and a table."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.cli.commands import main
from headlines.models import registry
from headlines.storage.data_root import DataRoot


@pytest.mark.usefixtures("prefect_server", "small_preset")
def test_folds_are_trained_once_and_shown(
    root: DataRoot, corpus_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from prefect.artifacts import Artifact

    def shown(*arguments: str) -> str:
        main([*arguments])
        return capsys.readouterr().out

    shown("ingest", str(corpus_file))
    folds = ("evaluate", "--folds", "2", "--preset", "small", "--corpus", "news")
    first: dict[str, Any] = json.loads(shown(*folds, "--json"))
    assert not first["reused"]
    assert sum(part["rows"] for part in first["counts"]["folds"]) == 54
    table = Artifact.get("folds")
    assert table is not None
    assert [row["fold"] for row in json.loads(str(table.data))] == [1, 2]
    assert registry.is_empty(root)

    again = shown(*folds).splitlines()
    assert again[0].endswith("(up to date)")
    assert again[3].startswith("small, all folds: accuracy ")
    assert Path(again[4].rpartition(": ")[2]).is_file()
