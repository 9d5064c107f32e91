"""Checks the rows of the files that a corpus is made from."""

from typing import NamedTuple

from headlines.corpus import inews
from headlines.corpus.soft_labels import TRAINING_COLUMNS, read_soft_label, read_weight
from headlines.labels import LABELS
from headlines.readers import Record
from headlines.readers.titles import has_undecodable, record_id, title_problem

SPLITS = inews.SPLITS
USED_COLUMNS = frozenset(("title", "content", "label", "split", *TRAINING_COLUMNS))


class Row(NamedTuple):
    """A usable row.

    Attributes:
        record_id: of its title.
        title: the headline.
        content: the article, if it has one.
        label: 0, 1 or 2; None if it has none.
        split: one of `SPLITS`.
        soft_label: a probability of each class; None if it has none.
        weight: in the training, above 0; None if it has none.
    """

    record_id: str
    title: str
    content: str | None
    label: int | None
    split: str
    soft_label: tuple[float, ...] | None
    weight: float | None


def validate_row(record: Record) -> Row:
    """The row of a record.

    Raises:
        ValueError: the row cannot be used; the message is the reason.
    """
    if record.problem:
        raise ValueError(record.problem)
    fields = record.fields
    title, content = fields.get("title"), fields.get("content")
    if title is not None and not isinstance(title, str):
        raise ValueError("title is not text")
    if problem := title_problem(title):
        raise ValueError(problem)
    assert title is not None
    if content is not None and not isinstance(content, str):
        raise ValueError("content is not text")
    if content is not None and has_undecodable(content):
        raise ValueError("content has undecodable bytes")
    identity = record_id(title)
    label, soft_label = _label(fields.get("label")), read_soft_label(fields)
    only_soft = label is None and soft_label is not None
    split = _split(fields.get("split"), identity, only_soft=only_soft)
    return Row(identity, title, content, label, split, soft_label, read_weight(fields))


def _label(value: object) -> int | None:
    if value is None or value == "":
        return None
    text = str(value).strip().removesuffix(".0")  # as pandas writes integers with gaps
    if text not in {str(label) for label in range(len(LABELS))}:
        raise ValueError(f"label is not 0 to {len(LABELS) - 1}")
    return int(text)


def _split(value: object, identity: str, *, only_soft: bool) -> str:
    if value is None or value == "":
        if only_soft:  # dev and test use hard labels alone
            return "train"
        # By the record id, so that the same headline is always in the same split.
        return ("dev", "test", *["train"] * 8)[int(identity[:8], 16) % 10]
    if value not in SPLITS:
        raise ValueError(f"split is not one of {', '.join(SPLITS)}")
    return str(value)
