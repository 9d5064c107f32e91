"""The words of articles, for models that read them as well as the titles."""

from collections.abc import Iterable, Sequence
from typing import Any

from headlines.segmentation import Segmenter
from lstm_model.presets import Preset


def article_tokens(
    preset: Preset, segmenter: Segmenter, contents: Iterable[Any]
) -> list[list[str]] | None:
    """The words of the start of each article that a model reads; None if it reads only titles.

    Args:
        preset: the model's.
        segmenter: cuts the articles.
        contents: the articles. One that is blank or not text, such as None or pandas' NaN, is
            missing and has no words.
    """
    if preset.contents is None:
        return None
    characters = preset.contents.characters
    texts = (content[:characters] if isinstance(content, str) else "" for content in contents)
    # Lines that are cut together take a fifth of the time, and no word crosses a line end.
    return segmenter.cut([" ".join(text.splitlines()) for text in texts])


def count_missing_articles(contents: Sequence[Sequence[str]] | None) -> int:
    """How many articles are missing, given the result of `article_tokens`."""
    return sum(1 for words in contents or () if not any(map(str.strip, words)))
