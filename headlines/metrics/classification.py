"""Accuracy, precision, recall, F1 and the confusion matrix."""

from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.labels import LABELS

Labels = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]


def confusion_matrix(labels: Labels, predictions: Labels) -> npt.NDArray[np.int64]:
    """Counts by true label (row) and predicted label (column): shape (classes, classes)."""
    matrix = np.zeros((len(LABELS), len(LABELS)), np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix


def class_f1(matrices: npt.NDArray[np.int64]) -> Floats:
    """F1 of each class, shape (…, classes), from confusion matrices, shape (…, classes, classes).

    A class that no row has as label or prediction has an F1 of 0.
    """
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    return _ratio(2 * hits, matrices.sum(axis=-1) + matrices.sum(axis=-2))


def accuracies(matrices: npt.NDArray[np.int64]) -> Floats:
    """Accuracy, shape (…), from confusion matrices, shape (…, classes, classes); 0 without rows."""
    return _ratio(np.trace(matrices, axis1=-2, axis2=-1), matrices.sum(axis=(-2, -1)))


def classification_metrics(labels: Labels, predictions: Labels) -> dict[str, Any]:
    """Metrics of predictions against labels, as plain data.

    A precision, recall or F1 with a zero denominator counts as 0, as in scikit-learn. Macro-F1 is
    the unweighted mean over all classes.

    Args:
        labels, predictions: true and predicted label ids, (rows,).

    Returns:
        `rows`, `accuracy`, `macro_f1` (None without rows), `classes` (name to `precision`,
        `recall`, `f1`, `rows`) and `confusion_matrix` (rows are true labels).
    """
    matrix = confusion_matrix(labels, predictions)
    hits = np.diag(matrix)
    precision = _ratio(hits, matrix.sum(axis=0))
    recall = _ratio(hits, matrix.sum(axis=1))
    f1 = class_f1(matrix)
    rows = int(matrix.sum())
    return {
        "rows": rows,
        "accuracy": float(accuracies(matrix)) if rows else None,
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


def _ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> Floats:
    ratio = np.zeros(np.shape(whole))
    np.divide(part, whole, out=ratio, where=np.asarray(whole) > 0)
    return ratio
