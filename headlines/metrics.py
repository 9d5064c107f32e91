"""Figures of a classifier: accuracy, precision, recall, F1 and the confusion matrix."""

from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.labels import LABELS

Labels = npt.NDArray[np.integer[Any]]


def confusion_matrix(labels: Labels, predictions: Labels) -> npt.NDArray[np.int64]:
    """Counts by true label (row) and predicted label (column): shape (classes, classes)."""
    matrix = np.zeros((len(LABELS), len(LABELS)), np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix


def figures(labels: Labels, predictions: Labels) -> dict[str, Any]:
    """The figures of predictions against labels, as plain data.

    A precision, recall or F1 with nothing to divide by counts as 0, as in scikit-learn. Macro-F1
    is the plain mean over all classes.

    Args:
        labels: true label ids, shape (rows,).
        predictions: predicted label ids, shape (rows,).

    Returns:
        `rows`, `accuracy`, `macro_f1` (None for no rows), `classes` (name to `precision`,
        `recall`, `f1`, `rows`) and `confusion_matrix` (rows are true labels).
    """
    matrix = confusion_matrix(labels, predictions)
    hits = np.diag(matrix).astype(float)
    precision = _share(hits, matrix.sum(axis=0))
    recall = _share(hits, matrix.sum(axis=1))
    f1 = _share(2 * precision * recall, precision + recall)
    rows = int(matrix.sum())
    return {
        "rows": rows,
        "accuracy": float(hits.sum() / rows) if rows else None,
        "macro_f1": float(f1.mean()) if rows else None,
        "classes": {
            name: {
                "precision": float(precision[label]),
                "recall": float(recall[label]),
                "f1": float(f1[label]),
                "rows": int(matrix[label].sum()),
            }
            for label, name in enumerate(LABELS)
        },
        "confusion_matrix": matrix.tolist(),
    }


def _share(
    part: npt.NDArray[np.floating[Any]], whole: npt.NDArray[Any]
) -> npt.NDArray[np.floating[Any]]:
    share = np.zeros(len(LABELS))
    np.divide(part, whole, out=share, where=whole > 0)
    return share
