"""Chooses the headlines of a review: a part by lot, and a part that the model is unsure of."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.review.near_duplicates import NearDuplicates

BY_LOT, UNSURE, DISAGREEMENT = "lot", "unsure", "disagreement"  # the values of `drawn`
MAX_SIZE = 10_000
_CANDIDATES = 10  # for each headline that is chosen, in each class

LabelTitles = Callable[[Sequence[str]], npt.NDArray[np.int8]]
"""Gives the label ids of titles, (titles,), by another model than the one that predicted."""


@dataclass(frozen=True)
class ReviewSize:
    """How many headlines a review asks about.

    Attributes:
        headlines: in all.
        lot: the share of them that is drawn by lot, from 0 to 1.
        seed: decides the draw.
        again: whether to choose headlines that an earlier review asked about.

    Raises:
        InputError: a number is not possible.
    """

    headlines: int = 100
    lot: float = 0.5
    seed: int = 0
    again: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.headlines <= MAX_SIZE:
            hint = f"use a number from 1 to {MAX_SIZE:,}"
            raise InputError(f"{self.headlines} headlines cannot be reviewed", "--n", hint)
        if not 0 <= self.lot <= 1:
            raise InputError(f"{self.lot} is not a share", "--lot", "use a number from 0 to 1")

    @property
    def by_lot(self) -> int:
        """How many are drawn by lot."""
        return round(self.headlines * self.lot)


def select(
    predictions: pd.DataFrame, earlier: pd.DataFrame, size: ReviewSize, relabel: LabelTitles | None
) -> pd.DataFrame:
    """Choose the headlines of a review.

    The part by lot is a simple random sample of all different headlines that were not drawn by lot
    before, whether they were chosen before or not: so accuracy on it is unbiased. The others are
    those with the smallest margin between the two most probable classes, in turn from each
    predicted class, and in turn among those that another model labels differently and among all.
    They hold no headline that an earlier review asked about, and no near-duplicate.

    Args:
        predictions: `record_id`, `title`, `label`, one `p_…` for each class, and other columns; the
            first of several rows of a headline counts.
        earlier: `record_id` and `drawn` of what earlier reviews asked about.
        size: how many.
        relabel: labels titles by another model; None without one.

    Returns:
        The rows in random order, with `drawn`: `lot`, `unsure` or `disagreement`. There are fewer
        where there are not enough headlines.
    """
    if size.again:
        earlier = earlier.iloc[:0]
    rng = np.random.default_rng(size.seed)
    headlines = predictions.drop_duplicates("record_id").sort_values("record_id", ignore_index=True)
    drawn_before = earlier["record_id"][earlier["drawn"] == BY_LOT]
    in_lot = headlines[~headlines["record_id"].isin(drawn_before)]
    lot = rng.choice(in_lot.index, min(size.by_lot, len(in_lot)), replace=False)
    is_new = ~headlines["record_id"].isin(earlier["record_id"]) & ~headlines.index.isin(lot)
    chosen = _choose(
        headlines[is_new], size.headlines - size.by_lot, headlines["title"][lot], relabel
    )
    drawn = pd.concat([pd.Series(BY_LOT, lot), chosen])
    order = drawn.index[rng.permutation(len(drawn))]
    selected: pd.DataFrame = headlines.loc[order].assign(drawn=drawn[order].astype("str"))
    return selected.reset_index(drop=True)


def _choose(
    headlines: pd.DataFrame, size: int, lot: pd.Series, relabel: LabelTitles | None
) -> pd.Series:
    """`drawn` of the chosen headlines by their index; near-duplicates of `lot` are left out."""
    probabilities = np.sort(headlines[[f"p_{name}" for name in LABELS]].to_numpy(), axis=1)
    margins = pd.Series(probabilities[:, -1] - probabilities[:, -2], headlines.index)
    unsure = margins.sort_values(kind="stable").index  # the most unsure first
    candidates = headlines.loc[unsure].groupby("label").head(_CANDIDATES * size)
    differs = np.zeros(len(candidates), bool)
    if relabel is not None and len(candidates):
        differs = relabel(candidates["title"].tolist()) != candidates["label"].to_numpy()
    titles = NearDuplicates()
    for title in lot:
        titles.add(title)
    drawn: dict[int, str] = {}
    for index, kind in _in_turn(candidates, candidates[differs]):
        if len(drawn) == size:
            break
        if index not in drawn and titles.add(candidates["title"][index]):
            drawn[index] = kind
    return pd.Series(drawn, dtype="str")


def _in_turn(candidates: pd.DataFrame, disputed: pd.DataFrame) -> Iterator[tuple[int, str]]:
    """Index and kind of all candidates: from each class in turn, of either kind in turn."""
    queues = [
        [(index, kind) for index in rows.index[rows["label"] == label]]
        for kind, rows in ((DISAGREEMENT, disputed), (UNSURE, candidates))
        for label in range(len(LABELS))
    ]
    for position in range(max(map(len, queues))):
        for queue in queues:
            yield from queue[position : position + 1]
