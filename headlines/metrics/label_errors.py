"""Finds headlines that may be labelled wrong, by confident learning."""

import numpy as np
import pandas as pd

from headlines.labels import LABELS


def suspected_label_errors(predictions: pd.DataFrame) -> pd.DataFrame:
    """Headlines that may be labelled wrong, the most suspicious first.

    A headline is suspected where another class is at least as probable as it is on average for the
    headlines with that label, and more probable than the given label (Northcutt, Jiang & Chuang,
    "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021). So a class that
    the model is seldom sure of is suggested at a lower probability. The model must not have been
    trained on these labels.

    Args:
        predictions: headlines with `split`, `row`, `label` and one `p_…` for each class.

    Returns:
        The suspected rows under their index in `predictions`: `split`, `row`, `label`,
        `label_name`, `suggestion`, `suggestion_name`, `p_label` and `p_suggestion`, the largest
        difference of the two probabilities first.
    """
    probabilities = predictions[[f"p_{name}" for name in LABELS]].to_numpy(np.float64)
    labels = predictions["label"].to_numpy(np.int64)
    rows = np.arange(len(labels))
    p_label = probabilities[rows, labels]
    threshold = np.array(  # a class without any headline is never suggested
        [
            p_label[labels == label].mean() if label in labels else np.inf
            for label in range(len(LABELS))
        ]
    )
    candidates = np.where(probabilities >= threshold, probabilities, -1.0)
    suggestion = candidates.argmax(axis=1)
    p_suggestion = candidates[rows, suggestion]
    suggestions = predictions[["split", "row", "label"]].assign(
        label_name=np.array(LABELS)[labels],
        suggestion=suggestion.astype(np.int8),
        suggestion_name=np.array(LABELS)[suggestion],
        p_label=p_label.astype(np.float32),
        p_suggestion=p_suggestion.astype(np.float32),
    )
    largest_first = np.argsort(p_label - p_suggestion, kind="stable")
    keep = (p_suggestion > p_label)[largest_first]
    suspected: pd.DataFrame = suggestions.iloc[largest_first[keep]]
    return suspected
