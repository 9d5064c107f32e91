from __future__ import annotations

import json

import pytest

from lstm_model.architecture import weight_shapes
from lstm_model.presets import PRESETS, Preset

CONTENTS = {
    "characters": 9,
    "min_articles": 1,
    "c": 1.0,
    "network_weight": 1.0,
    "article_weight": 1.0,
}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_survives_json(name: str) -> None:
    preset = PRESETS[name]
    assert preset.name == name
    assert Preset.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset


def test_notebook_preset_has_the_sizes_of_the_notebook() -> None:
    notebook = PRESETS["notebook"]
    sizes = weight_shapes(notebook, 18_188)
    assert sum(_product(shape) for shape in sizes.values()) == 2_348_771
    assert notebook.rules == "text_vectorization"
    assert notebook.padded_length == 44
    assert (notebook.batch_size, notebook.epochs, notebook.validation_split) == (32, 20, 0.1)
    assert notebook.keep_leaked_titles
    assert not PRESETS["default"].keep_leaked_titles


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 3),
        ("rules", "loose"),
        ("pooling", "mean"),
        ("pooling", ["last"]),
        ("padded_length", 0),
        ("padded_length", "44"),
        ("min_count", 0),
        ("embedding_size", 1.5),
        ("units", True),
        ("bidirectional", 1),
        ("readers", 0),
        ("pairs", 1),
        ("pairs", {"readers": 1}),
        ("pairs", {"readers": 0, "min_count": 1, "embedding_size": 1}),
        ("pairs", {"readers": 1, "min_count": 1, "embedding_size": 1}),  # with a padded_length
        ("contents", {"characters": 9}),
        ("contents", {**CONTENTS, "characters": 0}),
        ("contents", {**CONTENTS, "c": 0}),
        ("contents", {**CONTENTS, "network_weight": "1"}),
        ("contents", {**CONTENTS, "article_weight": float("nan")}),
        ("contents", CONTENTS),  # with a padded_length
        ("adversarial", -1),
        ("adversarial", float("nan")),
        ("adversarial", "1"),
        ("dropout", 1),
        ("dropout", -0.1),
        ("dropout", float("nan")),
        ("label_smoothing", "0.1"),
        ("batch_size", 0),
        ("epochs", 0),
        ("learning_rate", 0),
        ("learning_rate", float("inf")),
        ("patience", 0),
        ("validation_split", 1.0),
        ("keep_leaked_titles", None),
        ("seed", -1),
    ],
)
def test_bad_value_is_rejected_and_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"preset: {field}"):
        Preset.from_dict({**PRESETS["notebook"].to_dict(), field: value})


def test_unknown_and_missing_fields_are_named() -> None:
    data = PRESETS["default"].to_dict()
    with pytest.raises(ValueError, match="unknown field 'unit'"):
        Preset.from_dict({**data, "unit": 3})
    del data["units"]
    with pytest.raises(ValueError, match="'units' is missing"):
        Preset.from_dict(data)


def test_a_preset_with_branches_for_articles_is_refused_by_name() -> None:
    earlier = {"readers": 2, "min_count": 2, "embedding_size": 128, "characters": 300}
    data = {**PRESETS["title-and-content"].to_dict(), "contents": earlier}
    with pytest.raises(ValueError, match="preset: contents: unknown field 'embedding_size'"):
        Preset.from_dict(data)
