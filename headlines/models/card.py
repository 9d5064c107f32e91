"""What the reports say of a model itself: what it is, what it was made from, what it is for."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from headlines.labels import LABELS
from headlines.storage.artifact import Artifact
from headlines.storage.manifest import Recipe

PURPOSE = (
    "Sorting Chinese news headlines by tone (positive, neutral or negative) in bulk, as counts, "
    "trends and a first order of what to read."
)
LIMITS = (
    "It saw headlines of one corpus of one time; news of other sources and later years drifts away "
    "from them, which the nightly report measures.",
    "Some labels of the corpus are wrong or matters of opinion, and it learned them all the same.",
    "It knows the tone of a headline, not who is meant: nothing about a person may be decided by "
    "it.",
)


def model_card(
    recipe: Recipe, counts: Mapping[str, Any], versions: Mapping[str, str], corpus: Artifact
) -> dict[str, Any]:
    """What stands in a report's model card, as plain data.

    Args:
        recipe: that the model is made by.
        counts: of its manifest: `epochs`, `best_epoch`, `parameters`, `vocabulary`.
        versions: of the libraries it was trained with.
        corpus: the rows it was trained or evaluated on.
    """
    from headlines.segmentation import describe

    told = corpus.manifest
    return {
        "key": recipe.key,
        "preset": recipe.config["preset"],
        "segmenter": describe(recipe.config["segmenter"]),
        "made_from": recipe.sources,
        "counts": counts,
        "versions": versions,
        "corpus": {
            "name": told.config["name"],
            "key": told.key,
            "splits": told.counts["splits"],
            "rejected": told.counts["rejected"],
            # Where a file lay is no matter: its digest is what says which it was.
            "files": [(PurePath(source.path).name, source.sha256) for source in told.inputs],
        },
        "purpose": PURPOSE,
        "limits": (
            *LIMITS,
            _read(recipe.config["preset"]["contents"]),
            _rarest(told.counts["splits"]),
        ),
    }


def _read(contents: Mapping[str, Any] | None) -> str:
    if contents is None:
        return "It reads the headline alone, not the article, and no words that it does not know."
    return (
        f"It reads the headline and the first {contents['characters']:,} characters of the "
        "article, and no words that it does not know; without an article it labels by the headline."
    )


def chosen_on_dev(preset: Mapping[str, Any], temperature: float) -> str:
    """What dev served to choose, in words: figures on dev flatter the model by it.

    Args:
        preset: settings of the training; with a `validation_split` the epoch was chosen on a part
            of train.
        temperature: 1 where none was fitted.
    """
    chosen = ["settings"]
    chosen += ["epoch"] * (preset["validation_split"] is None)
    chosen += ["temperature"] * (temperature != 1)
    return " and ".join(filter(None, (", ".join(chosen[:-1]), chosen[-1])))


def _rarest(splits: Mapping[str, Any]) -> str:
    rows = {label: sum(numbers["labels"][label] for numbers in splits.values()) for label in LABELS}
    label = min(LABELS, key=rows.__getitem__)
    return (
        f"The rarest class of the corpus is {label}, with {rows[label]:,} of "
        f"{sum(rows.values()):,} headlines: what is rare is learned least, as the figures by class "
        "tell."
    )
