"""The words of articles, for models that read them beside the titles."""

from collections.abc import Iterable, Sequence

from headlines.segmentation import Segmenter
from lstm_model.presets import Preset


def content_words(
    preset: Preset, segmenter: Segmenter, contents: Iterable[str | None]
) -> list[list[str]] | None:
    """The words of as much of each article as a model reads; None if it reads titles alone.

    Args:
        preset: of the model.
        segmenter: what cuts its words.
        contents: the articles; None or a blank one where a title has none, of which come no words.
    """
    if preset.contents is None:
        return None
    return segmenter.cut([(content or "")[: preset.contents.characters] for content in contents])


def missing(contents: Sequence[Sequence[str]] | None) -> int | None:
    """How many titles have to do without an article; None where none is read.

    Args:
        contents: what `content_words` gave.
    """
    if contents is None:
        return None
    return sum(1 for words in contents if not any(map(str.strip, words)))
