"""The baseline: a linear classifier that a network has to beat to be worth its trouble.

TF-IDF of words and characters and a logistic regression, by scikit-learn, learn from the same
headlines as the default preset, and read what the network reads: for one that reads contents, as
much of each behind the title. Only its predictions are kept: nothing is pickled, and a second
model is compared without fitting it again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headlines.corpus.dataset import read_corpus
from headlines.corpus.examples import examples
from headlines.corpus.tokens import read_tokens, require_segmenter
from headlines.errors import InputError
from headlines.metrics.bootstrap import bootstrap_intervals, paired_bootstrap
from headlines.metrics.classification import Labels, classification_metrics, confusion_matrix
from headlines.segmentation.article_words import article_tokens
from headlines.storage.artifact import Artifact, find_valid, publish
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES
from lstm_model.presets import Preset

# Chosen on dev by macro-F1: C of 2, 4, 8, 16, 32, with balanced classes and without.
_C = 16.0
_TOLERANCE = 1e-6  # scikit-learn's own, 1e-4, ends where the solver still decides some labels
_LONGEST_RUN = 3  # characters
_HELD_OUT = ("dev", "test")


@dataclass(frozen=True)
class Baseline:
    """What the baseline says of the held-out headlines, or why there is none.

    Attributes:
        artifact: holds `predictions.parquet`: `split`, `row` and `prediction` (a label id).
        why_not: why there is none, and what to do; empty where there is one.
    """

    artifact: Artifact | None
    why_not: str = ""

    def sources(self, catalog: Catalog) -> tuple[Input, ...]:
        """What an evaluation beside it is made from: the artifact, where there is one."""
        return (self.artifact.as_source(catalog),) if self.artifact else ()


def baseline(catalog: Catalog, corpus: Artifact, tokens: Artifact, preset: Preset) -> Baseline:
    """Fit the baseline on a corpus, or reuse its predictions.

    There is none where scikit-learn is not installed, or the corpus has nothing to learn from.

    Args:
        catalog: the data root.
        corpus: gives labels and contents.
        tokens: gives the words of the titles.
        preset: of the network beside it, which says whether contents are read.
    """
    recipe = Recipe(
        "baseline",
        STAGES["baseline"].version,
        (corpus.as_source(catalog), tokens.as_source(catalog)),
        {"content_characters": preset.contents.characters} if preset.contents else {},
    )
    target = catalog.baseline(recipe.key)
    if existing := find_valid(catalog, target, recipe.key):
        return Baseline(existing)
    if find_spec("sklearn") is None:
        return Baseline(
            None, "scikit-learn is not installed: `pip install scikit-learn`, and evaluate again"
        )
    try:
        train = examples(corpus, tokens, "train", preset, keep_leaked=False)
    except InputError as error:
        return Baseline(None, error.problem)

    def write_predictions(draft: Path) -> dict[str, Any]:
        held_out = _held_out(corpus, tokens, preset)
        held_out["prediction"] = fit_and_predict(
            texts_of(train.token_lists, train.articles), train.labels, held_out["tokens"].to_list()
        )
        held_out[["split", "row", "prediction"]].to_parquet(
            draft / "predictions.parquet", compression="zstd", index=False
        )
        return {"trained_on": len(train.labels), "rows": len(held_out)}

    versions = {name: installed_version(name) for name in ("scikit-learn", "scipy", "numpy")}
    return Baseline(publish(catalog, target, recipe, write_predictions, versions=versions))


def _held_out(corpus: Artifact, tokens: Artifact, preset: Preset) -> pd.DataFrame:
    """`row`, `split`, and in `tokens` what is read of each headline."""
    rows = pd.concat(
        [read_tokens(tokens, split).assign(split=split) for split in _HELD_OUT], ignore_index=True
    )
    rows["tokens"] = rows["tokens"].map(list)
    if preset.contents:
        contents = read_corpus(corpus, ["row", "split", "content"])
        joined = rows.merge(contents, on=["row", "split"], how="left", validate="one_to_one")
        words = article_tokens(preset, require_segmenter(tokens), joined["content"])
        rows["tokens"] = texts_of(rows["tokens"].to_list(), words)
    return rows


def texts_of(
    token_lists: Sequence[Sequence[str]], contents: Sequence[Sequence[str]] | None
) -> Sequence[Sequence[str]]:
    """The words of each title and, where they are read, those of its content behind them."""
    if contents is None:
        return token_lists
    return [[*title, *content] for title, content in zip(token_lists, contents, strict=True)]


def fit_and_predict(
    train: Sequence[Sequence[str]], labels: Labels, held_out: Sequence[Sequence[str]]
) -> npt.NDArray[np.int8]:
    """Learn from words and labels, and label other words; the same input gives the same labels.

    Args:
        train: the words of each headline to learn from, shape (rows,); one at least.
        labels: their label ids, shape (rows,).
        held_out: the words of each headline to label.

    Returns:
        Label ids, shape (headlines to label,).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if (labels == labels[0]).all():  # nothing to tell apart, which scikit-learn refuses
        return np.full(len(held_out), labels[0], np.int8)
    if not len(held_out):
        return np.zeros(0, np.int8)
    vectors = TfidfVectorizer(analyzer=terms, sublinear_tf=True)
    classifier = LogisticRegression(
        C=_C,
        class_weight="balanced",
        solver="newton-cg",  # on these terms several times as fast as the default one
        tol=_TOLERANCE,
        max_iter=1000,
    )
    with threadpool_limits(1):  # the order of sums, so the last bits, depends on the threads
        classifier.fit(vectors.fit_transform(train), labels)
        predictions = classifier.predict(vectors.transform(held_out))
    return np.asarray(predictions, np.int8)


def terms(words: Sequence[str]) -> Iterator[str]:
    """What is counted of a headline: words, pairs of neighbours, and runs of 1 to 3 characters."""
    for word in words:
        yield f"word {word}"
    for first, second in pairwise(words):
        yield f"pair {first} {second}"
    text = "".join(words)
    for length in range(1, _LONGEST_RUN + 1):
        for start in range(len(text) - length + 1):
            yield f"run {text[start : start + length]}"


def compare_with_baseline(baseline: Baseline, checked: pd.DataFrame) -> dict[str, Any]:
    """A model beside the baseline, as plain data.

    Args:
        baseline: of the corpus that the model was evaluated on.
        checked: `split`, `row`, `label`, `prediction` and `leaked` of the held-out headlines.

    Returns:
        `measured` and `why_not`; where it is measured for each split, with (`all`) and
        `without_leaked_titles`, the baseline's figures and `intervals`, and the `difference` (model
        less baseline) of `macro_f1` with its `interval` and `p` (see `comparison`), and of the
        `accuracy` with `accuracy_interval` and `accuracy_p`, None for no rows; and `beaten`:
        whether the interval of the macro-F1 on dev without leaked titles lies above 0, None where
        that cannot be said.
    """
    if baseline.artifact is None:
        return {"measured": False, "why_not": baseline.why_not, "beaten": None}
    kept = pd.read_parquet(baseline.artifact.directory / "predictions.parquet")
    predictions = kept.set_index(["split", "row"])["prediction"]
    theirs = predictions.loc[pd.MultiIndex.from_frame(checked[["split", "row"]])].to_numpy()
    found: dict[str, Any] = {"measured": True, "why_not": ""}
    for split in _HELD_OUT:
        in_split = checked["split"] == split
        found[split] = {
            "all": _beside(checked[in_split], theirs[in_split]),
            "without_leaked_titles": _beside(
                checked[in_split & ~checked["leaked"]], theirs[in_split & ~checked["leaked"]]
            ),
        }
    difference = found["dev"]["without_leaked_titles"]["difference"]
    return {**found, "beaten": difference["interval"][0] > 0 if difference else None}


def _beside(rows: pd.DataFrame, theirs: Labels) -> dict[str, Any]:
    labels, ours = rows["label"].to_numpy(), rows["prediction"].to_numpy()
    difference = None
    if len(rows):
        comparison = paired_bootstrap(labels, ours, theirs)
        difference = {
            "macro_f1": comparison.macro_f1.difference,
            "interval": [comparison.macro_f1.low, comparison.macro_f1.high],
            "p": comparison.macro_f1.p,
            "accuracy": comparison.accuracy.difference,
            "accuracy_interval": [comparison.accuracy.low, comparison.accuracy.high],
            "accuracy_p": comparison.accuracy.p,
        }
    return {
        **classification_metrics(labels, theirs),
        "intervals": bootstrap_intervals(confusion_matrix(labels, theirs)),
        "difference": difference,
    }
