"""The labelled examples of a corpus that training and evaluation use."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from headlines.corpus.dataset import read_corpus
from headlines.corpus.soft_labels import PROBABILITIES, TRAINING_COLUMNS
from headlines.corpus.tokens import read_tokens, require_segmenter
from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.segmentation import Segmenter
from headlines.segmentation.article_words import article_tokens, count_missing_articles
from headlines.storage.artifact import Artifact
from lstm_model.presets import Preset

if TYPE_CHECKING:
    from lstm_model.examples import Examples


def examples(
    corpus: Artifact,
    tokens: Artifact,
    split: str,
    preset: Preset,
    segmenter: Segmenter,
    *,
    keep_leaked: bool = True,
    for_training: bool = False,
) -> "Examples":
    """The labelled headlines of one split, as words and label ids, in the order of the corpus.

    Args:
        corpus: has the labels, flags and articles.
        tokens: has the words.
        split: `train`, `dev` or `test`.
        preset: decides whether articles are read.
        segmenter: cuts the articles into words.
        keep_leaked: whether to include rows flagged as leaked.
        for_training: whether to include rows with a soft label alone, and give soft labels and
            weights.

    Raises:
        InputError: there are no such headlines, or the preset reads articles and there are none,
            or the segmenter is not that of `tokens`.
    """
    from lstm_model.examples import UNLABELLED, Examples

    contents = ["content"] if preset.contents else []
    rows = labelled_rows(
        corpus, split, keep_leaked=keep_leaked, for_training=for_training, columns=contents
    )
    words = read_tokens(tokens, split)
    joined = rows.merge(words, on=["row", "record_id"], how="left", validate="one_to_one")
    if joined.empty:
        raise InputError(
            f"the split {split!r} has no labelled headlines",
            corpus.location,
            f"ingest a corpus with labels 0 to {len(LABELS) - 1} in train and dev",
        )
    if joined["tokens"].isna().any():
        raise RuntimeError(f"{tokens.location} lacks rows of {corpus.location}")
    labelled = Examples(
        token_lists=[list(row) for row in joined["tokens"]],
        labels=joined["label"].fillna(UNLABELLED).to_numpy(np.int64),
        articles=(
            _article_tokens(corpus, tokens, preset, joined, segmenter) if preset.contents else None
        ),
    )
    if not for_training:
        return labelled
    soft_labels = joined[list(PROBABILITIES)].to_numpy(np.float32)
    weights = joined["weight"].to_numpy(np.float32)
    return replace(
        labelled,
        soft_labels=None if np.isnan(soft_labels).all() else soft_labels,
        weights=None if np.isnan(weights).all() else np.nan_to_num(weights, nan=1),
    )


def labelled_rows(
    corpus: Artifact,
    split: str,
    *,
    keep_leaked: bool = True,
    for_training: bool = False,
    columns: Sequence[str] = (),
) -> pd.DataFrame:
    """The rows of `examples`: all columns but the texts, and those given."""
    names = ["row", "record_id", "split", "label", "leaked", *TRAINING_COLUMNS, *columns]
    rows = read_corpus(corpus, names)
    labelled = rows["label"].notna()
    if for_training:
        labelled |= rows[PROBABILITIES[0]].notna()
    rows = rows[(rows["split"] == split) & labelled]
    return rows if keep_leaked else rows[~rows["leaked"]]


def _article_tokens(
    corpus: Artifact, tokens: Artifact, preset: Preset, rows: pd.DataFrame, segmenter: Segmenter
) -> list[list[str]] | None:
    words = article_tokens(preset, require_segmenter(tokens, segmenter), rows["content"])
    if count_missing_articles(words) == len(rows):
        raise InputError(
            f"the preset {preset.name!r} reads articles, and no headline of "
            f"{rows['split'].iloc[0]} has one",
            corpus.location,
            "ingest a corpus with a column content, or train a preset that reads only titles",
        )
    return words
