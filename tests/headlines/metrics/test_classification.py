import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from headlines.labels import LABELS
from headlines.metrics.classification import classification_metrics, confusion_matrix

PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


@given(PAIRS, st.sampled_from([np.int8, np.int64]))
def test_metrics_equal_those_of_scikit_learn(pairs: list[tuple[int, int]], kind: type) -> None:
    labels, predictions = np.array(pairs, kind).T
    ids = [0, 1, 2]
    found = classification_metrics(labels, predictions)
    precision, recall, f1, rows = reference.precision_recall_fscore_support(
        labels, predictions, labels=ids, zero_division=0
    )
    macro_f1 = reference.f1_score(labels, predictions, labels=ids, average="macro", zero_division=0)
    assert found["rows"] == len(pairs)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(labels, predictions))
    assert found["macro_f1"] == pytest.approx(macro_f1)
    expected = reference.confusion_matrix(labels, predictions, labels=ids)
    assert found["confusion_matrix"] == expected.tolist()
    assert list(found["classes"]) == list(LABELS)
    for label, name in enumerate(LABELS):
        assert found["classes"][name] == pytest.approx(
            {
                "precision": precision[label],
                "recall": recall[label],
                "f1": f1[label],
                "rows": rows[label],
            }
        )
    assert json.loads(json.dumps(found)) == found


def test_rows_of_the_confusion_matrix_are_true_labels() -> None:
    matrix = confusion_matrix(np.array([0, 0, 2]), np.array([1, 1, 0]))
    assert matrix.tolist() == [[0, 2, 0], [0, 0, 0], [1, 0, 0]]


def test_without_rows_there_is_no_accuracy() -> None:
    nothing = np.array([], np.int64)
    found = classification_metrics(nothing, nothing)
    assert (found["rows"], found["accuracy"], found["macro_f1"]) == (0, None, None)
