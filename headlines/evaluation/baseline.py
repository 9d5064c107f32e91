"""The linear baseline that a network has to beat: TF-IDF and logistic regression.

Class weights raise its macro-F1 and, on titles, spoil its probabilities, so there are two
classifiers of the same features, one for the labels and one for the probabilities, and a network
has to beat both. They are trained by scikit-learn on the same headlines as the default preset.
Where the network reads articles, so does the baseline, as a second block of features next to that
of the titles, and one classifier serves for both. Only the predictions are kept, so nothing is
pickled, and another model is compared with them without fitting them again.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from headlines.corpus.dataset import read_corpus
from headlines.corpus.examples import examples
from headlines.corpus.tokens import read_tokens, require_segmenter
from headlines.corpus.with_labels import REVIEWED, held_out_splits
from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.metrics.bootstrap import bootstrap_intervals, paired_bootstrap, paired_cross_entropy
from headlines.metrics.calibration import calibration_metrics
from headlines.metrics.classification import Labels, classification_metrics, confusion_matrix
from headlines.segmentation import Segmenter
from headlines.segmentation.article_words import article_tokens
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Input, Recipe
from headlines.storage.stages import STAGES
from lstm_model.presets import Preset

# Chosen on four folds of train of the iNews corpus, of C 2 to 32, with balanced classes and
# without: the one by macro-F1 (0.700), the other by cross-entropy (0.543).
_FOR_LABELS: dict[str, Any] = {"C": 16.0, "class_weight": "balanced"}
_FOR_PROBABILITIES: dict[str, Any] = {"C": 8.0}
# With articles, the same search: one classifier is the best by cross-entropy (0.484), and by
# macro-F1 (0.730) as good as any other of about that cross-entropy.
_WITH_ARTICLES: dict[str, Any] = {"C": 8.0, "class_weight": "balanced"}
_TOLERANCE = 1e-6  # with scikit-learn's 1e-4, some labels still depend on the solver
_MAX_NGRAM = 3  # characters
_ARTICLE_WORDS = {"min_df": 3, "max_df": 0.5}  # of so many articles, and at most that share
_PROBABILITIES = [f"p_{name}" for name in LABELS]
_MAX_P_VALUE = 0.05


class Texts(NamedTuple):
    """The words of headlines, and of their articles where these are read, each (rows,)."""

    titles: Sequence[Sequence[str]]
    articles: Sequence[Sequence[str]] | None = None


class LinearPredictions(NamedTuple):
    """Predictions of the two classifiers, or of the one.

    Attributes:
        labels: int8 (rows,).
        probabilities: float32 (rows, classes).
    """

    labels: npt.NDArray[np.int8]
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Baseline:
    """The baseline's predictions for the held-out headlines, or why there are none.

    Attributes:
        artifact: holds `predictions.parquet`: `split`, `row`, `prediction` (a label id) and one
            `p_…` for each class.
        missing_reason: why there is no artifact, and how to get one; empty where there is one.
    """

    artifact: Artifact | None
    missing_reason: str = ""

    def inputs(self) -> tuple[Input, ...]:
        """The artifact as an input of an evaluation, where there is one."""
        return (self.artifact.as_source(),) if self.artifact else ()


def fit_baseline(root: DataRoot, corpus: Artifact, tokens: Artifact, preset: Preset) -> Baseline:
    """Fit the baseline on a corpus, or reuse its predictions.

    There is none where scikit-learn is not installed or the corpus has no training rows.

    Args:
        root: the data root.
        corpus: its labels and articles.
        tokens: the words of its titles.
        preset: of the network to compare with; it decides whether articles are read.
    """
    recipe = Recipe(
        "baseline",
        STAGES["baseline"].version,
        (corpus.as_source(), tokens.as_source()),
        {"content_characters": preset.contents.characters} if preset.contents else {},
    )
    name = root.baseline(recipe.key)
    if existing := root.store.find(name, recipe.key):
        return Baseline(existing)
    if find_spec("sklearn") is None:
        return Baseline(
            None, "scikit-learn is not installed: `pip install scikit-learn`, and evaluate again"
        )
    segmenter = Segmenter.from_settings(root.settings)
    try:
        train = examples(corpus, tokens, "train", preset, segmenter, keep_leaked=False)
    except InputError as error:
        return Baseline(None, error.problem)

    def write_predictions(draft: Path) -> dict[str, Any]:
        held_out, texts = _held_out_rows(corpus, tokens, preset, segmenter)
        linear = fit_and_predict(Texts(train.token_lists, train.articles), train.labels, texts)
        held_out["prediction"] = linear.labels
        held_out[_PROBABILITIES] = linear.probabilities
        held_out[["split", "row", "prediction", *_PROBABILITIES]].to_parquet(
            draft / "predictions.parquet", compression="zstd", index=False
        )
        return {"trained_on": len(train.labels), "rows": len(held_out)}

    versions = {name: installed_version(name) for name in ("scikit-learn", "scipy", "numpy")}
    return Baseline(root.store.publish(name, recipe, write_predictions, versions=versions))


def _held_out_rows(
    corpus: Artifact, tokens: Artifact, preset: Preset, segmenter: Segmenter
) -> tuple[pd.DataFrame, Texts]:
    """`row` and `split` of each headline, and what is read of it."""
    rows = pd.concat(
        [read_tokens(tokens, split).assign(split=split) for split in held_out_splits(corpus)],
        ignore_index=True,
    )
    articles = None
    if preset.contents:
        contents = read_corpus(corpus, ["row", "split", "content"])
        joined = rows.merge(contents, on=["row", "split"], how="left", validate="one_to_one")
        articles = article_tokens(preset, require_segmenter(tokens, segmenter), joined["content"])
    return rows[["row", "split"]].copy(), Texts([list(words) for words in rows["tokens"]], articles)


def fit_and_predict(train: Texts, labels: Labels, held_out: Texts) -> LinearPredictions:
    """Train the classifiers and predict; the same input gives the same predictions.

    Args:
        train: at least one headline.
        labels: their label ids, shape (rows,).
        held_out: the headlines to label; with articles if `train` has them.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    rows = len(held_out.titles)
    probabilities = np.zeros((rows, len(LABELS)), np.float32)
    if (labels == labels[0]).all():  # scikit-learn refuses a single class
        probabilities[:, labels[0]] = 1
        return LinearPredictions(np.full(rows, labels[0], np.int8), probabilities)
    if not rows:
        return LinearPredictions(np.zeros(0, np.int8), probabilities)
    settings = [_FOR_LABELS, _FOR_PROBABILITIES] if train.articles is None else [_WITH_ARTICLES]
    common = {
        "solver": "newton-cg",  # several times faster than the default on these features
        "tol": _TOLERANCE,
        "max_iter": 1000,
    }
    with threadpool_limits(1):  # the rounding of sums depends on the number of threads
        features, to_label = _features(train, held_out)
        fitted = [LogisticRegression(**own, **common).fit(features, labels) for own in settings]
        for_labels, for_probabilities = fitted[0], fitted[-1]
        probabilities[:, for_probabilities.classes_] = for_probabilities.predict_proba(to_label)
        return LinearPredictions(for_labels.predict(to_label).astype(np.int8), probabilities)


def _features(train: Texts, held_out: Texts) -> tuple[Any, ...]:
    """Sparse features of both; a block of titles and one of articles, each normalised by itself."""
    import scipy.sparse
    from sklearn.feature_extraction.text import TfidfVectorizer

    titles = TfidfVectorizer(analyzer=extract_features, sublinear_tf=True)
    blocks = [(titles.fit_transform(train.titles), titles.transform(held_out.titles))]
    if train.articles is not None:
        articles = TfidfVectorizer(analyzer=list, sublinear_tf=True, **_ARTICLE_WORDS)
        with contextlib.suppress(ValueError):  # so few articles that no word is left
            of_train = articles.fit_transform(train.articles)
            blocks.append((of_train, articles.transform(held_out.articles)))
    of_train, of_held_out = (
        scipy.sparse.hstack(block, "csr") for block in zip(*blocks, strict=True)
    )
    return of_train, of_held_out


def extract_features(words: Sequence[str]) -> Iterator[str]:
    """The words, pairs of adjacent words and 1 to 3 character n-grams of a headline."""
    for word in words:
        yield f"word {word}"
    for first, second in pairwise(words):
        yield f"pair {first} {second}"
    text = "".join(words)
    for length in range(1, _MAX_NGRAM + 1):
        for start in range(len(text) - length + 1):
            yield f"run {text[start : start + length]}"


def compare_with_baseline(baseline: Baseline, predictions: pd.DataFrame) -> dict[str, Any]:
    """Compare a model with the baseline, as plain data.

    Args:
        baseline: of the corpus that the model was evaluated on.
        predictions: `split`, `row`, `label`, `prediction`, `leaked` and the probabilities of the
            held-out headlines.

    Returns:
        `measured` and `why_not`; where measured, for each split `all` and `without_leaked_titles`:
        the baseline's metrics, its `cross_entropy` and `intervals`, and the `difference` (model
        minus baseline, None without rows): `cross_entropy`, `macro_f1` and `accuracy` as
        `Difference` has them, and `beats`: whether the model's cross-entropy is lower by a paired
        test (p below 0.05) and its macro-F1 not lower; and `beaten`: the same of dev without leaked
        titles, None where it is unknown.
    """
    if baseline.artifact is None:
        return {"measured": False, "why_not": baseline.missing_reason, "beaten": None}
    stored = pd.read_parquet(baseline.artifact.directory / "predictions.parquet")
    by_row = stored.set_index(["split", "row"])
    theirs = by_row.loc[pd.MultiIndex.from_frame(predictions[["split", "row"]])]
    result: dict[str, Any] = {"measured": True, "why_not": ""}
    for split in ("dev", "test", *({REVIEWED} & {*predictions["split"]})):
        in_split = (predictions["split"] == split).to_numpy()
        kept = in_split & ~predictions["leaked"].to_numpy()
        result[split] = {
            "all": _baseline_result(predictions[in_split], theirs[in_split]),
            "without_leaked_titles": _baseline_result(predictions[kept], theirs[kept]),
        }
    difference = result["dev"]["without_leaked_titles"]["difference"]
    return {**result, "beaten": difference["beats"] if difference else None}


def _baseline_result(ours: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, Any]:
    labels, their_labels = ours["label"].to_numpy(), theirs["prediction"].to_numpy()
    difference = None
    if len(ours):
        comparison = paired_bootstrap(labels, ours["prediction"].to_numpy(), their_labels)
        cross_entropy = paired_cross_entropy(
            labels, *(frame[_PROBABILITIES].to_numpy() for frame in (ours, theirs))
        )
        macro_f1 = comparison.macro_f1
        difference = {
            "cross_entropy": asdict(cross_entropy),
            "macro_f1": asdict(macro_f1),
            "accuracy": asdict(comparison.accuracy),
            "beats": cross_entropy.p < _MAX_P_VALUE and macro_f1.difference >= 0,
        }
    calibration = calibration_metrics(theirs[_PROBABILITIES].to_numpy(), labels, their_labels)
    return {
        **classification_metrics(labels, their_labels),
        "cross_entropy": calibration["nll"],
        "intervals": bootstrap_intervals(confusion_matrix(labels, their_labels)),
        "difference": difference,
    }
