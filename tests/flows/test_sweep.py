"""The flow `sweep`: a table, a preset to train with, and no trial run twice."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from flows.cli.commands import main
from flows.cli.output import sweep_lines
from headlines.models import registry
from headlines.models.presets import resolve_preset
from headlines.storage.data_root import DataRoot

SPACE = """
preset = "small"
seeds = 1
[space]
units = [3, 4]
epochs = [1]
bidirectional = [false]
pooling = ["last"]
"""


@pytest.fixture
def space(tmp_path: Path) -> Path:
    file = tmp_path / "space.toml"
    file.write_text(SPACE, encoding="utf-8")
    return file


@pytest.mark.usefixtures("prefect_server", "small_preset")
def test_a_sweep_is_reused_and_its_best_preset_trains(
    root: DataRoot, corpus_file: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from prefect.artifacts import Artifact

    def result(*arguments: str) -> Any:
        main([*arguments, "--json"])
        return json.loads(capsys.readouterr().out)

    result("ingest", str(corpus_file))
    sweep = ("train", "--sweep", str(space), "--corpus", "news")
    swept = result(*sweep)
    assert sorted(row["values"]["units"] for row in swept["trials"]) == [3, 4]
    first, second = (row["macro_f1"]["mean"] for row in swept["trials"])
    assert first >= second
    assert registry.is_empty(root)
    table = Artifact.get("sweep")
    assert table is not None
    shown = json.loads(str(table.data))
    assert [row["trial"] for row in shown] == [row["trial"] for row in swept["trials"]]

    again = result(*sweep)
    assert again["reused"]
    assert again["trials"] == swept["trials"]
    assert resolve_preset(again["best"]).name == swept["trials"][0]["preset"]

    name, *arguments = shlex.split(again["train"])
    assert name == "headlines"
    trained = result(*arguments)
    [model] = result("models")
    assert model["preset"] == swept["trials"][0]["preset"]
    assert trained["counts"]["dev"]["macro_f1"] == pytest.approx(first)  # nothing is leaked there


@pytest.mark.usefixtures("small_preset")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sweep", "gone.toml"), "gone.toml: the file cannot be read"),
        (("--sweep", "bad.toml"), "bad.toml: [space] layers: unknown field 'layers'"),
        (("--sweep", "space.toml", "--preset", "default"), "--sweep names the preset"),
        (("--sweep", "space.toml", "--no-promote"), "promotes nothing"),
        (("--sweep", "space.toml", "--corpus", "none"), "headlines ingest"),
        (("--preset", "gone.json"), "gone.json: the file cannot be read"),
        (("--preset", "space.toml"), "there is no preset 'space.toml'"),
        (("--preset", ""), "there is no preset ''"),
    ],
)
def test_an_invalid_space_exits_with_2_and_one_line(
    root: DataRoot,
    space: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(space.parent)
    Path("bad.toml").write_text("[space]\nlayers = [1]\n", encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main(["train", *arguments])
    shown = capsys.readouterr()
    assert (left.value.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert said in shown.err
    assert not [path for path in root.store.directory.rglob("*") if path.is_file()]


def test_the_table_has_every_trial_in_columns() -> None:
    def row(number: int, problem: str, **values: Any) -> dict[str, Any]:
        figures = {"mean": 0.5, "deviation": 0.125} if not problem else None
        return {
            "trial": number, "values": values, "macro_f1": figures, "accuracy": figures,
            "seconds": 12.34, "problem": problem,
        }  # fmt: skip

    result: dict[str, Any] = {
        "artifact": "a", "seeds": 2, "folds": None, "best": "b.json",
        "train": "headlines train --preset b.json",
        "trials": [
            row(2, "", units=128, patience=None, decay=True),
            row(10, "seed 1: it is nan", units=4, patience=3, decay=False),
        ],
    }  # fmt: skip
    assert sweep_lines(result) == [
        "sweep: a",
        "2 trials, 2 seeds each, on dev without leaked titles:",
        "trial       macro-F1       accuracy  units  patience  decay  seconds",
        "    2  0.500 ± 0.125  0.500 ± 0.125    128      none   true       12",
        "   10              –              –      4         3  false       12  seed 1: it is nan",
        "best preset: b.json",
        "train with it: headlines train --preset b.json",
    ]
    assert sweep_lines(result | {"best": None})[-1].endswith("seed 1: it is nan")
    by_folds = "2 trials, 2 seeds each, on 4 folds of train without leaked titles:"
    assert sweep_lines(result | {"folds": 4})[1] == by_folds
