"""The names of the classes as people write them."""

import pytest

from headlines.labels import LABELS, LABELS_ZH, parse_label


@pytest.mark.parametrize("label", range(3))
def test_a_label_is_understood_by_name_and_id(label: int) -> None:
    english, chinese = LABELS[label], LABELS_ZH[label]
    forms = [
        english, english.upper(), chinese, chinese[0], str(label), f"{label}.0", f" {chinese}\n",
        f"{english} {chinese}", chr(ord("０") + label),
    ]  # fmt: skip
    assert [parse_label(text) for text in forms] == [label] * len(forms)


@pytest.mark.parametrize("text", ["", " ", "3", "-1", "好", "1.5", "positive negative", "正面负面"])
def test_any_other_text_is_no_label(text: str) -> None:
    assert parse_label(text) is None
