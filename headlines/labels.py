"""The classes of a headline, in the order of their label ids (those of the iNews corpus)."""

import unicodedata

LABELS = ("positive", "neutral", "negative")
LABELS_ZH = ("正面", "中性", "负面")

# What people write for each class, besides its names and its id.
_SYNONYMS = (
    ("pos", "正", "正向", "积极"),
    ("neu", "中", "中立"),
    ("neg", "负", "负向", "消极"),
)
_LABEL_OF = {
    word: label
    for label, names in enumerate(zip(LABELS, LABELS_ZH, _SYNONYMS, strict=True))
    for word in (names[0], names[1], *names[2], str(label), f"{label}.0")
}  # `1.0` is what pandas writes for whole numbers with gaps


def parse_label(text: str) -> int | None:
    """The label id that a person means by a name in English or Chinese, or by the id itself.

    Case, full-width forms and white space do not matter; several words must mean the same class,
    as in `negative 负面`. None for anything else.
    """
    words = unicodedata.normalize("NFKC", text).casefold().split()
    labels = {_LABEL_OF.get(word) for word in words}
    return labels.pop() if len(labels) == 1 else None
