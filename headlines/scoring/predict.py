"""Predicts single headlines at once, without a flow."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from headlines.errors import InputError
from headlines.models import champion, registry
from headlines.readers.titles import readable_text, title_problem
from headlines.segmentation import Segmenter, item_list, text_list
from headlines.segmentation.article_words import article_tokens
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot


def predict(
    titles: Iterable[str], model: str = "champion", contents: Iterable[str | None] | None = None
) -> npt.NDArray[np.float32]:
    """Probabilities of the classes, in the order of `headlines.labels.LABELS`.

    Args:
        titles: headlines as they stand, not segmented: a list, a Series or Index of pandas, an
            array, or another iterable.
        model: a version of the data root's `models/`, or `champion`.
        contents: their articles, None for a missing one. A model that reads titles alone ignores
            them; one that reads both labels by the title where there is no article.

    Returns:
        float32, shape (titles, 3); every row sums to 1.

    Raises:
        InputError: there is no such model, or a title cannot be used; the message has its
            position, from 0.
        TypeError: `titles` is one title, whose characters would each be taken for a title.
        ValueError: there are more or fewer contents than titles.
    """
    return classify(titles, model, contents)[0]


def classify(
    titles: Iterable[str], model: str = "champion", contents: Iterable[str | None] | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """What `predict` gives, and the label of each title: int8, shape (titles,).

    The label is the model's own choice, by its class thresholds (see `lstm_model.calibration`).
    """
    titles = text_list(titles, "title")
    contents = [None] * len(titles) if contents is None else item_list(contents, "content")
    if len(contents) != len(titles):
        raise ValueError(f"there are {len(titles)} titles, but {len(contents)} contents")
    for number, content in enumerate(contents):
        if not isinstance(content, str | None):
            raise TypeError(f"content {number} is neither text nor None, but {content!r:.40}")
    for number, title in enumerate(titles):
        if problem := title_problem(title):
            location = f"title {number} ({title!r:.40})"
            raise InputError(problem, location, "give a headline with text in it")
    root = DataRoot.from_settings(Settings.from_environment())
    segmenter = Segmenter.from_settings(root.settings)
    artifact = champion.resolve(root, model)
    scorer = registry.load_scorer(artifact, segmenter.fingerprint())
    articles = article_tokens(scorer.preset, segmenter, contents)
    words = segmenter.cut(readable_text(title) for title in titles)
    probabilities = scorer.predict(words, articles)
    return probabilities, scorer.labels(probabilities)
