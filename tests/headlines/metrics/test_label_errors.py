"""Suspected label errors: the rule by hand, its properties, and labels changed on purpose."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from headlines.labels import LABELS
from headlines.metrics.label_errors import suspected_label_errors

Floats = npt.NDArray[np.float64]


def checked(labels: list[int], probabilities: Floats) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "split": "dev",
            "row": range(len(labels)),
            "title": [f"第{row}条" for row in range(len(labels))],
            "label": np.array(labels, np.int8),
            "label_name": np.array(LABELS)[labels],
            **{f"p_{name}": probabilities[:, label] for label, name in enumerate(LABELS)},
        }
    )


def test_a_hand_calculated_example() -> None:
    labels = [0, 0, 1, 1, 1, 2, 2]
    probabilities = np.array(
        [
            [0.50, 0.40, 0.10],
            [0.30, 0.60, 0.10],  # neutral is more probable, but below its 0.7
            [0.45, 0.35, 0.20],  # positive reaches its 0.4: suspected by 0.1
            [0.05, 0.90, 0.05],
            [0.10, 0.85, 0.05],
            [0.10, 0.80, 0.10],  # neutral reaches its 0.7: suspected by 0.7
            [0.10, 0.20, 0.70],
        ]
    )  # mean self-confidence: positive 0.4, neutral 0.7, negative 0.4
    found = suspected_label_errors(checked(labels, probabilities))
    assert found["row"].tolist() == [5, 2]
    assert found["suggestion"].tolist() == [1, 0]
    assert found["label_name"].tolist() == ["negative", "neutral"]
    assert found["suggestion_name"].tolist() == ["neutral", "positive"]
    assert found["p_label"].tolist() == [np.float32(0.1), np.float32(0.35)]
    assert found["p_suggestion"].tolist() == [np.float32(0.8), np.float32(0.45)]


@given(
    st.lists(st.tuples(st.integers(0, 2), *[st.floats(0.01, 1)] * 3), max_size=40),
)
def test_suspected_errors_are_sorted_by_suspicion(rows: list[tuple[float, ...]]) -> None:
    table = np.array(rows).reshape(-1, 4)
    probabilities = table[:, 1:] / table[:, 1:].sum(axis=1, keepdims=True)
    labels = table[:, 0].astype(int).tolist()
    found = suspected_label_errors(checked(labels, probabilities))
    assert (found["label"] != found["suggestion"]).all()
    assert found["suggestion"].isin(labels).all()  # a class without headlines is not suggested
    assert (found["p_suggestion"] >= found["p_label"]).all()
    margins = (found["p_suggestion"] - found["p_label"]).to_numpy()
    assert (np.diff(margins) <= 1e-6).all()
    assert found["row"].is_unique


def test_changed_labels_are_found() -> None:
    rng = np.random.default_rng(4)
    truth = rng.choice(3, 2000, p=[0.1, 0.65, 0.25])
    logits = rng.normal(0, 1, (2000, 3))
    logits[np.arange(2000), truth] += 4
    exp = np.exp(logits)
    probabilities = exp / exp.sum(axis=1, keepdims=True)
    labels = truth.copy()
    changed = rng.choice(2000, 100, replace=False)
    labels[changed] = (labels[changed] + rng.integers(1, 3, 100)) % 3

    found = suspected_label_errors(checked(labels.tolist(), probabilities))

    right = found["suggestion"].to_numpy() == truth[found["row"]]
    assert len(set(found["row"]) & set(changed)) > 70
    assert right.mean() > 0.9
    assert set(found["row"].head(50)) <= set(changed)
