"""Merges the labels that several people gave, and measures how far they agree."""

import math
import warnings
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np
import pandas as pd

from headlines.labels import LABELS


@dataclass(frozen=True)
class Agreement:
    """How far people agree on the headlines that more than one of them labelled.

    Attributes:
        headlines: how many those are.
        disputed: on how many of them not all agree.
        kappa: Cohen's kappa, of several pairs of people the mean: 1 if they always agree, 0 if no
            more often than by chance; None where it is not defined or was not measured.
        why_not: why there is no kappa; empty if there is one.
    """

    headlines: int
    disputed: int
    kappa: float | None
    why_not: str = ""


def merge_votes(votes: pd.DataFrame) -> pd.DataFrame:
    """One row for each headline that anyone labelled, by `record_id`.

    Args:
        votes: `record_id`, `person` and `label` (a label id); at most one of a person for each
            headline.

    Returns:
        `label` (of most people; null where two labels have the most), `votes` (how many people)
        and for each class `p_…`, the share of the people who chose it.
    """
    counts = pd.crosstab(votes["record_id"], votes["label"]).reindex(
        columns=range(len(LABELS)), fill_value=0
    )
    numbers = counts.to_numpy(np.int64)  # (headlines, classes)
    is_tie = (numbers == numbers.max(axis=1, keepdims=True)).sum(axis=1) > 1
    shares = numbers / numbers.sum(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "label": pd.Series(numbers.argmax(axis=1), counts.index, "Int8").mask(is_tie),
            "votes": numbers.sum(axis=1),
            **{f"p_{name}": shares[:, label] for label, name in enumerate(LABELS)},
        },
        counts.index,
    )


def agreement(votes: pd.DataFrame) -> Agreement:
    """How far people agree; `votes` as `merge_votes` takes it."""
    table = votes.pivot(index="record_id", columns="person", values="label")
    table = table[table.notna().sum(axis=1) > 1]
    disputed = int((table.nunique(axis=1) > 1).sum())
    if table.empty:
        return Agreement(0, 0, None, "no headline was labelled by two people")
    try:
        from sklearn.metrics import cohen_kappa_score
    except ImportError:
        why_not = "scikit-learn is not installed: `pip install scikit-learn`"
        return Agreement(len(table), disputed, None, why_not)
    kappas = []
    for pair in combinations(table.columns, 2):
        both = table[list(pair)].dropna().astype("int64").to_numpy()
        with warnings.catch_warnings():  # it is NaN where all labels are the same
            warnings.simplefilter("ignore")
            kappas.append(cohen_kappa_score(*both.T) if len(both) else math.nan)
    kappas = [float(kappa) for kappa in kappas if not math.isnan(kappa)]
    if not kappas:
        return Agreement(len(table), disputed, None, "all labels are the same")
    return Agreement(len(table), disputed, fmean(kappas))
