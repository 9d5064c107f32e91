"""Search space files: valid ones are read, others are refused with file and field."""

from dataclasses import replace
from pathlib import Path

import pytest

from headlines.errors import InputError
from headlines.models.presets import preset_json
from headlines.training.search_space import Choice, Range
from headlines.training.search_space_file import read_space
from lstm_model.branch_config import BigramConfig
from lstm_model.presets import PRESETS

EXAMPLE = Path(__file__).parents[3] / "docs" / "sweep.toml"


def written(folder: Path, text: str) -> str:
    file = folder / "space.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_the_documented_example_is_valid() -> None:
    space = read_space(str(EXAMPLE))
    assert space.preset == PRESETS["fast"]
    assert (space.max_trials, space.seeds, space.seed) == (20, 2, 0)
    assert space.fields["units"] == Choice((32, 64, 128))
    assert space.fields["dropout"] == Range(0.2, 0.6, log=False, integer=False)
    assert space.fields["learning_rate"] == Range(0.0003, 0.003, log=True, integer=False)
    assert space.fields["epochs"] == Range(5, 12, log=False, integer=True)
    assert space.fields["patience"] == Choice((None, 3))
    assert len(space.trials()) == 20


def test_missing_keys_have_defaults(tmp_path: Path) -> None:
    space = read_space(written(tmp_path, "[space]\nunits = [1]\n"))
    assert space.preset == PRESETS["default"]
    assert (space.max_trials, space.seeds, space.seed, space.folds) == (20, 2, 0, None)


def test_folds_are_read(tmp_path: Path) -> None:
    assert read_space(written(tmp_path, "folds = 4\n[space]\nunits = [1]\n")).folds == 4


def test_the_preset_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(preset_json(PRESETS["notebook"]), encoding="utf-8")
    text = f"preset = '{tmp_path / 'mine.json'}'\n[space]\nunits = [1]\n"
    assert read_space(written(tmp_path, text)).preset == PRESETS["notebook"]


def test_numbers_have_the_type_of_the_field(tmp_path: Path) -> None:
    text = "[space]\ndropout = {low = 0, high = 0.5}\nlearning_rate = {low = 1, high = 2}\n"
    text += "adversarial = [0, 0.0, 1]\nvalidation_split = ['none', 0.5, 0.5]\n"
    fields = read_space(written(tmp_path, text)).fields
    assert fields["dropout"] == Range(0.0, 0.5, log=False, integer=False)
    assert fields["learning_rate"] == Range(1.0, 2.0, log=False, integer=False)
    assert repr(fields["adversarial"]) == "Choice(values=(0.0, 1.0))"
    assert fields["validation_split"] == Choice((None, 0.5))


PAIRS = "{readers = 1, min_count = 2, embedding_size = 4}"


@pytest.fixture
def alone(tmp_path: Path) -> str:
    """The beginning of a space file for a preset without bigrams."""
    preset = replace(PRESETS["default"], name="alone", pairs=None, padded_length=None)
    (tmp_path / "alone.json").write_text(preset_json(preset), encoding="utf-8")
    return f"preset = '{tmp_path / 'alone.json'}'\n[space]\n"


def test_a_value_may_be_a_table(tmp_path: Path, alone: str) -> None:
    text = f"{alone}pairs = ['none', {PAIRS}, {PAIRS}]\n"
    trials = read_space(written(tmp_path, text)).trials()
    assert [trial.preset.pairs for trial in trials] == [None, BigramConfig(1, 2, 4)]


def test_invalid_combinations_of_values_are_refused(tmp_path: Path, alone: str) -> None:
    file = written(tmp_path, f"{alone}pairs = ['none', {PAIRS}]\npadded_length = ['none', 9]\n")
    with pytest.raises(InputError, match="pairs must be null where a padded_length") as caught:
        read_space(file)
    assert caught.value.location == f"{file}: [space]"


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("", "[space]", "nothing to search"),
        ("[space]", "[space]", "nothing to search"),
        ("space = 3", "[space]", "nothing to search"),
        ("[space]\nunits = [1", "", "not TOML"),
        ("[space]\nunits = [1]\nunits = [2]", "", "not TOML"),
        ("x = " + "[" * 40_000, "", "not TOML"),
        ("x = " + "9" * 5000, "", "not TOML"),
        ("x = 1 # " + "x" * 65_536, "", "the maximum is 65,536"),
        ("trails = 3\n[space]\nunits = [1]", "", "unknown key 'trails'"),
        ("units = [1]", "", "go below [space]"),
        ("preset = 3\n[space]\nunits = [1]", "preset", "it must be a name"),
        ("preset = 'none'\n[space]\nunits = [1]", "preset", "there is no preset 'none'"),
        ("preset = 'gone.json'\n[space]\nunits = [1]", "preset", "cannot be read"),
        ("trials = 301\n[space]\nunits = [1]", "trials", "301 is not an integer from 1 to 300"),
        ("trials = 0\n[space]\nunits = [1]", "trials", "from 1 to 300"),
        ("trials = true\n[space]\nunits = [1]", "trials", "True is not an integer"),
        ("seeds = 1.5\n[space]\nunits = [1]", "seeds", "1.5 is not an integer from 1 to 20"),
        ("seed = -1\n[space]\nunits = [1]", "seed", "-1 is not an integer"),
        ("folds = 1\n[space]\nunits = [1]", "folds", "1 is not an integer from 2 to 20"),
        ("[space]\nname = ['a']", "[space] name", "cannot be searched"),
        ("[space]\nseed = [1]", "[space] seed", "`seeds` says how many"),
        ("[space]\nlayers = [1]", "[space] layers", "unknown field 'layers'; there are"),
        ("[space]\n'' = [1]", "[space] ", "unknown field ''"),
        ("[space]\nunits = []", "[space] units", "no values to try"),
        ("[space]\nunits = 3", "[space] units", "no values to try"),
        ("[space]\nunits = [1, 0]", "[space] units", "an integer from 1 up, not 0"),
        ("[space]\nunits = [true]", "[space] units", "not True"),
        ("[space]\nunits = ['none']", "[space] units", "not 'none'"),
        ("[space]\nunits = [[1]]", "[space] units", "not [1]"),
        ("[space]\nunits = [2026-11-24]", "[space] units", "an integer from 1 up"),
        (f"[space]\nunits = [{2**53 + 1}]", "[space] units", "numbers beyond"),
        ("[space]\nlearning_rate = [inf]", "[space] learning_rate", "numbers beyond"),
        ("[space]\nlearning_rate = [nan]", "[space] learning_rate", "above 0, not nan"),
        ("[space]\npooling = ['mean']", "[space] pooling", "one of ('last', 'max_mean')"),
        ("[space]\npooling = {low = 1, high = 2}", "[space] pooling", "has no range"),
        ("[space]\npretrained = {low = 0, high = 1}", "[space] pretrained", "has no range"),
        ("[space]\nunits = {low = 1}", "[space] units", "high is not a number"),
        ("[space]\nunits = {low = false, high = 2}", "[space] units", "low is not a number"),
        ("[space]\nunits = {low = 1.5, high = 2}", "[space] units", "not 1.5"),
        ("[space]\nunits = {low = 2, high = 2}", "[space] units", "low (2) is not below high (2)"),
        ("[space]\nunits = {low = 1, high = 2, step = 1}", "[space] units", "unknown key 'step'"),
        ("[space]\nunits = {low = 1, high = 2, log = 1}", "[space] units", "log must be true"),
        ("[space]\ndropout = {low = 0, high = 0.5, log = true}", "[space] dropout", "above 0"),
        ("[space]\ndropout = {low = 0.1, high = 1}", "[space] dropout", "below 1, not 1"),
        ("[space]\ndropout = {low = nan, high = 0.5}", "[space] dropout", "not nan"),
    ],
)
def test_invalid_spaces_are_refused(tmp_path: Path, text: str, where: str, expected: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_space(file)
    assert expected in str(caught.value)
    assert caught.value.location == (f"{file}: {where}" if where else file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"space\.toml: the file cannot be read \(No such file"):
        read_space(str(tmp_path / "space.toml"))
