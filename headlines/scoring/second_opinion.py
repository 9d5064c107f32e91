"""The model that predictions are compared with, to find headlines that models disagree on."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from headlines.errors import InputError
from headlines.models import champion, registry
from headlines.readers.titles import readable_text
from headlines.review.ask import SecondOpinion
from headlines.segmentation import Segmenter
from headlines.storage.data_root import DataRoot

if TYPE_CHECKING:
    from lstm_model.packed import PackedScorer


def second_opinion(root: DataRoot, predicted_by: set[str]) -> SecondOpinion | None:
    """The latest champion that has not predicted and reads headlines alone; None without one.

    Args:
        root: the data root.
        predicted_by: versions of the models that have predicted.

    Raises:
        InputError: `champion.json` cannot be read.
    """
    segmenter = Segmenter.from_settings(root.settings)
    for promotion in reversed(champion.history(root)):
        if promotion.version in predicted_by:
            continue
        try:
            model = registry.open_model(root, promotion.version)
            scorer = registry.load_scorer(model, segmenter.fingerprint())
        except InputError:  # it was removed, or cuts other words
            continue
        if not scorer.preset.contents:
            return SecondOpinion(model.as_source(), partial(_label, scorer, segmenter))
    return None


def _label(
    scorer: "PackedScorer", segmenter: Segmenter, titles: Sequence[str]
) -> npt.NDArray[np.int8]:
    words = segmenter.cut(readable_text(title) for title in titles)
    return scorer.labels(scorer.predict(words))
