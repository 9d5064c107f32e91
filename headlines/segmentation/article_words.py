"""The words of articles, for models that read them as well as the titles."""

from collections.abc import Iterable, Sequence
from typing import Any

from headlines.segmentation import Segmenter
from lstm_model.presets import Preset


def article_texts(preset: Preset, contents: Iterable[Any]) -> list[str] | None:
    """The start of each article that a model reads, in one line; None if it reads only titles.

    Args:
        preset: the model's.
        contents: the articles. One that is blank or not text, such as None or pandas' NaN, is
            missing, and a blank text here.
    """
    if preset.contents is None:
        return None
    characters = preset.contents.characters
    texts = (content[:characters] if isinstance(content, str) else "" for content in contents)
    # Texts of one line are cut together, in a fifth of the time. No word crosses a line end.
    return [" ".join(text.splitlines()) for text in texts]


def article_tokens(
    preset: Preset, segmenter: Segmenter, contents: Iterable[Any]
) -> list[list[str]] | None:
    """The words of `article_texts`; None if the model reads only titles."""
    texts = article_texts(preset, contents)
    return None if texts is None else segmenter.cut(texts)


def count_missing_articles(contents: Sequence[Sequence[str]] | None) -> int:
    """How many articles are missing, given the result of `article_texts` or `article_tokens`."""
    return sum(1 for words in contents or () if not any(map(str.strip, words)))
