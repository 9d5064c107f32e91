"""`headlines models`, `promote` and `lineage`: what people see, and the exit status. No Prefect."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.cli.commands import main
from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.evaluation.evaluate import evaluate
from headlines.models import champion
from headlines.storage.artifact import Artifact
from headlines.storage.layout import Catalog
from headlines.training.train import train
from lstm_model.presets import PRESETS


@pytest.fixture
def models(catalog: Catalog, corpus_file: Path, small_preset: str) -> list[Artifact]:
    """A champion that learnt nothing and was not evaluated, and a better model that was."""
    corpus = ingest(catalog, "news", str(corpus_file))
    tokens = segment_corpus(catalog, corpus)
    lazy = dataclasses.replace(PRESETS[small_preset], epochs=1, learning_rate=1e-6)
    learnt = dataclasses.replace(PRESETS[small_preset], epochs=30, learning_rate=0.02)
    made = [train(catalog, corpus, tokens, preset) for preset in (lazy, learnt)]
    evaluate(catalog, made[1], corpus, tokens)
    return made


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(arguments)
    return capsys.readouterr().out


def left(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str, str]:
    """Exit status, standard output and standard error of a call that leaves."""
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    said = capsys.readouterr()
    return exit.value.code, said.out, said.err


def test_models_are_listed_with_figures_and_what_they_were_made_from(
    catalog: Catalog, models: list[Artifact], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (model.directory.name for model in models)
    weights = models[0].directory / "weights.safetensors"
    lines = shown(capsys, "models").splitlines()

    assert max(map(len, lines)) <= 100
    [about_first] = [line for line in lines if line.startswith(f"* {first}  small, ")]
    assert "MiB" in about_first
    assert any(line.startswith(f"  {second}  small, ") for line in lines)
    assert sum("not evaluated: `headlines evaluate --model " in line for line in lines) == 1
    assert sum(line.startswith("    test  accuracy 1.000 (") for line in lines) == 1
    key = models[0].manifest.inputs[0].sha256[:8]
    assert sum(line.startswith(f"    from corpus news {key}, tokens ") for line in lines) == 2

    rows = {row["version"]: row for row in json.loads(shown(capsys, "models", "--json"))}
    assert [rows[first]["champion"], rows[second]["champion"]] == [True, False]
    assert "intervals" in rows[second]["dev"]
    assert "intervals" not in rows[first]["dev"]
    assert isinstance(rows[second]["behaviour_passed"], bool)
    assert rows[first]["behaviour_passed"] is None
    assert Path(rows[second]["evaluation"], "metrics.json").is_file()
    assert rows[first]["corpus"] == {"name": "news", "digest": models[0].manifest.inputs[0].sha256}
    assert rows[first]["bytes"] == sum(path.stat().st_size for path in models[0].files())

    weights.write_bytes(b"")  # it is told, and the other one is still there
    status, out, error = left(capsys, "models")
    assert status == 2
    assert "the model is damaged (weights.safetensors is not what" in error
    damaged = f"* {first}  DAMAGED: weights.safetensors is not what the manifest says"
    assert damaged in out.splitlines()
    rows = {row["version"]: row for row in json.loads(left(capsys, "models", "--json")[1])}
    assert "weights.safetensors" in rows[first]["damaged"]
    assert rows[first]["preset"] == "small"
    assert rows[second]["damaged"] == ""

    catalog.champion.write_text("{}")  # who has to choose another champion needs the list
    status, out, error = left(capsys, "models")
    assert status == 2
    assert error.count("\n") == 1
    assert "the champion pointer cannot be read" in error
    assert "*" not in out
    assert all(version in out for version in rows)


def test_a_champion_that_is_missing_is_told_below_the_list(
    catalog: Catalog, models: list[Artifact], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = models
    first.directory.rename(catalog.root / "moved")
    status, out, error = left(capsys, "models")
    assert status == 2
    assert f"* {first.directory.name}  DAMAGED: it is missing" in out.splitlines()
    assert f"  {second.directory.name}  small, " in out
    assert error.count("\n") == 1
    assert f"there is no model '{first.directory.name}', which is the champion" in error
    assert f"headlines: {first.directory}: " in error
    assert "restore it from a copy, or choose another one" in error

    catalog.champion.unlink()
    status, out, error = left(capsys, "models")
    assert status == 2
    assert "*" not in out
    assert "no champion.json says which one scores" in error


def test_without_a_model_the_list_says_so(
    catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, "models") == "no models yet; `headlines train` makes one\n"


def test_a_corpus_without_dev_leaves_the_champion_and_names_it(
    catalog: Catalog,
    corpus_file: Path,
    tmp_path: Path,
    models: list[Artifact],
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = (model.directory.name for model in models)
    frame = pd.read_csv(corpus_file)
    frame[frame["split"] != "dev"].to_csv(tmp_path / "no-dev.csv", index=False)
    ingest(catalog, "no-dev", str(tmp_path / "no-dev.csv"))
    status, _, error = left(capsys, "promote", second, "--corpus", "no-dev")
    assert status == 2
    assert "there are no dev headlines to compare it on" in error
    assert f"the champion is still {first}; --force promotes it all the same" in error


def test_the_help_says_that_no_promote_does_not_hold_for_a_first_model(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, _ = left(capsys, "train", "--help")
    assert status == 0
    assert "(a first model becomes it all the same)" in " ".join(out.split())


def test_a_model_is_promoted_by_rule_by_force_and_rolled_back(
    catalog: Catalog, models: list[Artifact], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (model.directory.name for model in models)

    assert f"{second} is the champion: dev macro-F1 1.000, that of {first} " in shown(
        capsys, "promote", second, "--corpus", "news"
    )
    assert champion.open_champion(catalog).directory.name == second

    status, out, error = left(capsys, "promote", first, "--corpus", "news", "--json")
    verdict = json.loads(out)
    assert status == 2
    assert error.count("\n") == 1
    assert not verdict["promoted"]
    for reason in verdict["reasons"]:
        assert reason in error
    assert "is not shown to be better than the champion's" in error
    assert f"the champion is still {second}; --force promotes it all the same" in error
    assert champion.open_champion(catalog).directory.name == second

    assert f"{first} is the champion: forced: dev macro-F1" in shown(
        capsys, "promote", first, "--force"
    )
    assert "against it: " in champion.history(catalog)[-1].reason
    assert shown(capsys, "promote", "--rollback") == f"{second} is the champion again\n"
    assert champion.open_champion(catalog).directory.name == second


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either a VERSION or --rollback"),
        (("one", "--rollback"), "either a VERSION or --rollback"),
        (("--rollback", "--force"), "it goes with a VERSION"),
        (("--rollback",), "there is no champion"),
        (("--force", "one"), "there is no model 'one'"),
        (("one",), "there is no model 'one'"),
        (("--force", "../../one"), "cannot be a model version"),
    ],
)
def test_a_wrong_promotion_is_one_line_and_status_2(
    catalog: Catalog,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    status, out, error = left(capsys, "promote", *arguments)
    assert (status, out) == (2, "")
    assert error.count("\n") == 1
    assert said in error
    assert not list(catalog.root.rglob("*.json"))


def test_a_broken_link_of_the_lineage_is_named_and_leaves_with_1(
    catalog: Catalog, corpus_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = segment_corpus(catalog, ingest(catalog, "news", str(corpus_file)))
    place = str(tokens.directory)
    assert f"file {corpus_file}" in shown(capsys, "lineage", place)
    corpus_file.write_text("title\n", encoding="utf-8")
    status, out, error = left(capsys, "lineage", place)
    assert status == 1
    assert out.count("!! its bytes have changed since") == 1
    assert error == f"headlines: {corpus_file}: its bytes have changed since\n"
