"""`headlines models`, `promote` and `lineage`: output and exit status, without Prefect."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.cli.commands import main
from headlines.corpus.ingest import ingest
from headlines.corpus.tokens import segment_corpus
from headlines.evaluation.evaluate import evaluate
from headlines.models import champion, registry
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training.train import train
from tests.factories import quick_preset, write_corpus


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A data root with a corpus and two models, made once, and the models' versions.

    The champion learned nothing and was not evaluated; the other one is better, and was.
    """
    directory = tmp_path_factory.mktemp("trained")
    root = DataRoot.open(directory / "data")
    corpus = ingest(root, "news", str(write_corpus(directory / "news.csv")))
    tokens = segment_corpus(root, corpus)
    lazy = dataclasses.replace(quick_preset(), epochs=1, learning_rate=1e-6)
    learnt = dataclasses.replace(quick_preset(), epochs=30, learning_rate=0.02)
    models = [train(root, corpus, tokens, preset) for preset in (lazy, learnt)]
    evaluate(root, models[1], corpus, tokens)
    return root.store.directory, [model.version for model in models]


@pytest.fixture
def models(root: DataRoot, trained: tuple[Path, list[str]]) -> list[Artifact]:
    """The two models, in a data root of the test's own."""
    directory, versions = trained
    shutil.copytree(directory, root.store.directory, dirs_exist_ok=True)
    return [registry.open_model(root, version) for version in versions]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(arguments)
    return capsys.readouterr().out


def exit_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str, str]:
    """Exit status, standard output and standard error of a call that exits."""
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    said = capsys.readouterr()
    return exit.value.code, said.out, said.err


def test_models_are_listed_with_figures_and_inputs(
    root: DataRoot, models: list[Artifact], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (model.version for model in models)
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

    weights.write_bytes(b"")  # it is reported, and the other one is still listed
    status, out, error = exit_of(capsys, "models")
    assert status == 2
    assert "the model is damaged (weights.safetensors is not what" in error
    damaged = f"* {first}  CORRUPT: weights.safetensors is not what the manifest says"
    assert damaged in out.splitlines()
    rows = {row["version"]: row for row in json.loads(exit_of(capsys, "models", "--json")[1])}
    assert "weights.safetensors" in rows[first]["damaged"]
    assert rows[first]["preset"] == "small"
    assert rows[second]["damaged"] == ""

    # Whoever has to choose another champion needs the list.
    root.store.path(root.champion).write_text("{}")
    status, out, error = exit_of(capsys, "models")
    assert status == 2
    assert error.count("\n") == 1
    assert "the champion pointer cannot be read" in error
    assert "*" not in out
    assert all(version in out for version in rows)


def test_a_missing_champion_is_reported_below_the_list(
    root: DataRoot, models: list[Artifact], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = models
    first.directory.rename(root.store.directory / "moved")
    status, out, error = exit_of(capsys, "models")
    assert status == 2
    assert f"* {first.version}  CORRUPT: it is missing" in out.splitlines()
    assert f"  {second.version}  small, " in out
    assert error.count("\n") == 1
    assert f"there is no model '{first.version}', which is the champion" in error
    assert f"headlines: {first.directory}: " in error
    assert "restore it from a copy, or choose another one" in error

    root.store.path(root.champion).unlink()
    status, out, error = exit_of(capsys, "models")
    assert status == 2
    assert "*" not in out
    assert "no champion.json says which one scores" in error


def test_without_a_model_the_list_says_so(
    root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, "models") == "no models yet; `headlines train` makes one\n"


def test_no_promotion_on_a_corpus_without_dev(
    root: DataRoot,
    corpus_file: Path,
    tmp_path: Path,
    models: list[Artifact],
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = (model.version for model in models)
    frame = pd.read_csv(corpus_file)
    frame[frame["split"] != "dev"].to_csv(tmp_path / "no-dev.csv", index=False)
    ingest(root, "no-dev", str(tmp_path / "no-dev.csv"))
    status, _, error = exit_of(capsys, "promote", second, "--corpus", "no-dev")
    assert status == 2
    assert "there are no dev headlines to compare it on" in error
    assert f"the champion is still {first}; --force promotes it anyway" in error


def test_help_says_a_first_model_is_always_promoted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, _ = exit_of(capsys, "train", "--help")
    assert status == 0
    assert "keep the champion, unless this is the first model" in " ".join(out.split())


def test_promotion_by_rule_and_by_force_and_rollback(
    root: DataRoot, models: list[Artifact], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (model.version for model in models)

    def in_overview() -> str:
        page = Path(root.location(root.overview)).read_text("utf-8")
        return page.partition("the champion is ")[2].partition(".")[0]

    assert f"{second} is the champion: dev cross-entropy " in shown(
        capsys, "promote", second, "--corpus", "news"
    )
    assert champion.open_champion(root).version == in_overview() == second

    status, out, error = exit_of(capsys, "promote", first, "--corpus", "news", "--json")
    verdict = json.loads(out)
    assert status == 2
    assert error.count("\n") == 1
    assert not verdict["promoted"]
    for reason in verdict["reasons"]:
        assert reason in error
    assert "is not shown to be lower than the champion's" in error
    assert f"the champion is still {second}; --force promotes it anyway" in error
    assert champion.open_champion(root).version == second

    assert f"{first} is the champion: forced: dev cross-entropy" in shown(
        capsys, "promote", first, "--force"
    )
    assert "against it: " in champion.history(root)[-1].reason
    assert in_overview() == first
    assert shown(capsys, "promote", "--rollback") == f"{second} is the champion again\n"
    assert champion.open_champion(root).version == in_overview() == second


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "either a VERSION or --rollback"),
        (("one", "--rollback"), "either a VERSION or --rollback"),
        (("--rollback", "--force"), "only with a VERSION"),
        (("--rollback",), "there is no champion"),
        (("--force", "one"), "there is no model 'one'"),
        (("one",), "there is no model 'one'"),
        (("--force", "../../one"), "cannot be a model version"),
    ],
)
def test_a_wrong_promotion_is_one_line_and_status_2(
    root: DataRoot,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    expected: str,
) -> None:
    status, out, error = exit_of(capsys, "promote", *arguments)
    assert (status, out) == (2, "")
    assert error.count("\n") == 1
    assert expected in error
    assert not list(root.store.directory.rglob("*.json"))


def test_a_broken_link_of_the_lineage_exits_with_1(
    root: DataRoot, corpus_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = segment_corpus(root, ingest(root, "news", str(corpus_file)))
    place = str(tokens.directory)
    assert f"file {corpus_file}" in shown(capsys, "lineage", place)
    corpus_file.write_text("title\n", encoding="utf-8")
    status, out, error = exit_of(capsys, "lineage", place)
    assert status == 1
    assert out.count("!! its bytes have changed since") == 1
    assert error == f"headlines: {corpus_file}: its bytes have changed since\n"
