"""Changes of a title that models with the text rules `normalised` do not see."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlines.evaluation.behaviour import CHECKS
from headlines.readers.titles import readable_text
from headlines.segmentation import Segmenter
from lstm_model.inputs import char_bigrams, input_ids
from lstm_model.vocabulary import Vocabulary

UNSEEN = {
    check.name: check.change
    for check in CHECKS
    if check.name.startswith(("a full stop", "quotation marks", "ASCII in", "full-width forms"))
}
# Not % and +: where jieba meets them, its words of the Han next to them may differ.
TITLES = st.text(
    st.sampled_from("股市大涨跌的恤上涨５Ｇ３．，！（ABCTcat05.#&-_,!()。“” "), max_size=24
)


@pytest.mark.parametrize("change", UNSEEN.values(), ids=UNSEEN.keys())
@given(title=TITLES)
def test_change_is_not_seen(title: str, change: Callable[[str], str]) -> None:
    texts = [readable_text(title), readable_text(change(title))]
    words = Segmenter().cut(texts)
    pairs = char_bigrams(words, "normalised")
    vocabularies = [Vocabulary.build(words, "normalised"), Vocabulary.build(pairs, "verbatim")]
    for ids, counts in input_ids(["words", "pairs"], vocabularies, words):
        assert counts[0] == counts[1]
        np.testing.assert_array_equal(ids[: counts[0]], ids[counts[0] :])


def test_there_are_four_such_changes() -> None:
    assert len(UNSEEN) == 4
