"""The classes of a headline, in the order of their label ids (those of the iNews corpus)."""

LABELS = ("positive", "neutral", "negative")
LABELS_ZH = ("正面", "中性", "负面")
