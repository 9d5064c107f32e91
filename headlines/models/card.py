"""The model card of the reports: what a model is, what it was made from, what it is for."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from headlines.labels import LABELS
from headlines.storage.artifact import Artifact
from headlines.storage.manifest import Recipe

PURPOSE = (
    "Classifying Chinese news headlines by tone (positive, neutral or negative) in bulk: counts, "
    "trends and ranking what to read."
)
LIMITS = (
    "It was trained on one corpus from one period; news from other sources and later years drifts "
    "from it, which the nightly report measures.",
    "Some labels of the corpus are wrong or debatable, and it was trained on them.",
    "It knows the tone of a headline, not who is meant: do not base decisions about people on it.",
)


def model_card(
    recipe: Recipe, counts: Mapping[str, Any], versions: Mapping[str, str], corpus: Artifact
) -> dict[str, Any]:
    """The content of a report's model card, as plain data.

    Args:
        recipe: of the model.
        counts: of its manifest: `epochs`, `best_epoch`, `parameters`, `vocabulary`.
        versions: of the libraries it was trained with.
        corpus: the corpus it was trained or evaluated on.
    """
    from headlines.segmentation import describe

    manifest = corpus.manifest
    return {
        "key": recipe.key,
        "preset": recipe.config["preset"],
        "segmenter": describe(recipe.config["segmenter"]),
        "made_from": recipe.sources,
        "counts": counts,
        "versions": versions,
        "corpus": {
            "name": manifest.config["name"],
            "key": manifest.key,
            "splits": manifest.counts["splits"],
            "rejected": manifest.counts["rejected"],
            # Without the directory: the digest identifies the file.
            "files": [(PurePath(source.path).name, source.sha256) for source in manifest.inputs],
        },
        "purpose": PURPOSE,
        "limits": (
            *LIMITS,
            _input_limit(recipe.config["preset"]["contents"]),
            _rarest_class(manifest.counts["splits"]),
        ),
    }


def _input_limit(contents: Mapping[str, Any] | None) -> str:
    if contents is None:
        return "It reads the headline only, not the article, and ignores unknown words."
    return (
        f"It reads the headline and the first {contents['characters']:,} characters of the "
        "article, and ignores unknown words; without an article it labels by the headline."
    )


def chosen_on_dev(preset: Mapping[str, Any], temperature: float) -> str:
    """What dev was used to choose, in words: metrics on dev are optimistic by it.

    Args:
        preset: settings of the training; with a `validation_split` the epoch was chosen on a part
            of train.
        temperature: 1 if none was fitted.
    """
    chosen = ["settings"]
    chosen += ["epoch"] * (preset["validation_split"] is None)
    chosen += ["temperature"] * (temperature != 1)
    return " and ".join(filter(None, (", ".join(chosen[:-1]), chosen[-1])))


def _rarest_class(splits: Mapping[str, Any]) -> str:
    rows = {label: sum(numbers["labels"][label] for numbers in splits.values()) for label in LABELS}
    label = min(LABELS, key=rows.__getitem__)
    return (
        f"The rarest class of the corpus is {label}, with {rows[label]:,} of "
        f"{sum(rows.values()):,} headlines; it is learned least, as the metrics by class show."
    )
