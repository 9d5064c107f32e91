"""The words of articles, for models that read them beside the titles."""

from collections.abc import Iterable, Sequence
from typing import Any

from headlines.segmentation import Segmenter
from lstm_model.presets import Preset


def article_tokens(
    preset: Preset, segmenter: Segmenter, contents: Iterable[Any]
) -> list[list[str]] | None:
    """The words of as much of each article as a model reads; None if it reads titles alone.

    Args:
        preset: of the model.
        segmenter: what cuts its words.
        contents: the articles; what is not text, such as None or pandas' NaN, and what is blank
            stands for one that is not there, of which come no words.
    """
    if preset.contents is None:
        return None
    texts = (content if isinstance(content, str) else "" for content in contents)
    return segmenter.cut([text[: preset.contents.characters] for text in texts])


def count_missing_articles(contents: Sequence[Sequence[str]] | None) -> int:
    """How many titles have to do without an article that a model would read.

    Args:
        contents: what `content_words` gave.
    """
    return sum(1 for words in contents or () if not any(map(str.strip, words)))
