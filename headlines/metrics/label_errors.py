"""Headlines whose label the model doubts: where someone should look at the label again."""

import numpy as np
import pandas as pd

from headlines.labels import LABELS


def suspected_label_errors(checked: pd.DataFrame) -> pd.DataFrame:
    """The headlines that may well be labelled wrong, the most doubtful first.

    That is the rule of confident learning: another class is at least as probable as it is on
    average for the headlines that bear it as a label, and more probable than the label (Northcutt,
    Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021).
    A class that the model is seldom sure of is thus suggested at a lower probability than one that
    it is often sure of. It takes a model that has not learned from these labels.

    Args:
        checked: headlines with `split`, `row`, `label` and one `p_…` a class.

    Returns:
        The doubted ones: `split`, `row`, `label`, `label_name`, `suggestion`, `suggestion_name`,
        `p_label` and `p_suggestion`, below their index in `checked`; the largest difference of the
        two first.
    """
    probabilities = checked[[f"p_{name}" for name in LABELS]].to_numpy(np.float64)
    labels = checked["label"].to_numpy(np.int64)
    rows = np.arange(len(labels))
    p_label = probabilities[rows, labels]
    confidence = np.array(  # a class that no headline bears is never suggested
        [
            p_label[labels == label].mean() if label in labels else np.inf
            for label in range(len(LABELS))
        ]
    )
    likely = np.where(probabilities >= confidence, probabilities, -1.0)
    suggestion = likely.argmax(axis=1)
    p_suggestion = likely[rows, suggestion]
    found = checked[["split", "row", "label"]].assign(
        label_name=np.array(LABELS)[labels],
        suggestion=suggestion.astype(np.int8),
        suggestion_name=np.array(LABELS)[suggestion],
        p_label=p_label.astype(np.float32),
        p_suggestion=p_suggestion.astype(np.float32),
    )
    largest_first = np.argsort(p_label - p_suggestion, kind="stable")
    keep = (p_suggestion > p_label)[largest_first]
    most_doubtful: pd.DataFrame = found.iloc[largest_first[keep]]
    return most_doubtful
