"""The model card of the reports: what a model is, what it was made from, what it is for."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from headlines.labels import LABELS
from headlines.reports.messages import ENGLISH, Messages
from headlines.reports.rendering import count
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
    recipe: Recipe,
    counts: Mapping[str, Any],
    versions: Mapping[str, str],
    corpus: Artifact,
    _: Messages = ENGLISH,
) -> dict[str, Any]:
    """The content of a report's model card, as plain data.

    Args:
        recipe: of the model.
        counts: of its manifest: `epochs`, `best_epoch`, `parameters`, `vocabulary`.
        versions: of the libraries it was trained with.
        corpus: the corpus it was trained or evaluated on.
        _: the language.
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
        "purpose": _.word(PURPOSE),
        "limits": (
            *map(_.word, LIMITS),
            _input_limit(recipe.config["preset"]["contents"], _),
            _rarest_class(manifest.counts["splits"], _),
        ),
    }


def _input_limit(contents: Mapping[str, Any] | None, _: Messages) -> str:
    if contents is None:
        return _("It reads the headline only, not the article, and ignores unknown words.")
    return _(
        "It reads the headline and the first %(characters)s characters of the article, and ignores "
        "unknown words; without an article it labels by the headline.",
        characters=count(contents["characters"]),
    )


def chosen_on_dev(preset: Mapping[str, Any], temperature: float, _: Messages = ENGLISH) -> str:
    """What dev was used to choose, in words: metrics on dev are optimistic by it.

    Args:
        preset: settings of the training; with a `validation_split` the epoch was chosen on a part
            of train.
        temperature: 1 if none was fitted.
        _: the language.
    """
    chosen = [_("settings")]
    chosen += [_("epoch")] * (preset["validation_split"] is None)
    chosen += [_("temperature")] * (temperature != 1)
    if len(chosen) == 1:
        return chosen[0]
    return _("%(first)s and %(last)s", first=_(", ").join(chosen[:-1]), last=chosen[-1])


def _rarest_class(splits: Mapping[str, Any], _: Messages) -> str:
    rows = {label: sum(numbers["labels"][label] for numbers in splits.values()) for label in LABELS}
    label = min(LABELS, key=rows.__getitem__)
    return _(
        "The rarest class of the corpus is %(label)s, with %(rows)s of %(total)s headlines; it is "
        "learned least, as the metrics by class show.",
        label=_.word(label),
        rows=count(rows[label]),
        total=count(sum(rows.values())),
    )
