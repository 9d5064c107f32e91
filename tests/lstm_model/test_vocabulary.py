from __future__ import annotations

import json
import re
import string
import unicodedata
from typing import get_args

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_model.joined_tokens import JoinedTokens
from lstm_model.vocabulary import UNKNOWN, Rules, Vocabulary

tokens = st.lists(
    st.text(st.sampled_from("股市涨AaZbÉé5-!。，　 \t[]'\x1c"), max_size=4), max_size=8
)
token_lists = st.lists(tokens, min_size=1, max_size=6)


def test_words_are_sorted_by_count_then_code_point() -> None:
    vocabulary = Vocabulary.build([["b", "a", "c"], ["c", "d", "a"], ["c"]], "verbatim")
    assert vocabulary.words == ("", "[UNK]", "c", "a", "d", "b")
    assert len(vocabulary) == 6


def test_rare_words_are_unknown() -> None:
    vocabulary = Vocabulary.build([["股市", "大涨", "股市"]], "verbatim", min_count=2)
    assert vocabulary.words == ("", "[UNK]", "股市")
    assert vocabulary.ids([["大涨", "股市", "地震"]])[0].tolist() == [UNKNOWN, 2, UNKNOWN]


def test_verbatim_drops_only_whitespace() -> None:
    vocabulary = Vocabulary.build([["A", " ", "\u3000", "", "!", "a b"]], "verbatim")
    assert set(vocabulary.words[2:]) == {"A", "!", "a b"}


def test_text_vectorization_changes_only_ascii() -> None:
    row = ["NBA", "!!", "《", "iPhone-X", "É", "\u3000", "a b"]
    vocabulary = Vocabulary.build([row], "text_vectorization")
    assert set(vocabulary.words[2:]) == {"nba", "《", "iphonex", "É", "\u3000", "a", "b"}


def test_normalised_words_are_nfkc_without_stops_and_quotes() -> None:
    row = ["“", "ＮＢＡ", "”", "50%", "5", "０", "％", "，", "C++", "。", '"', "\u3000", "…", "天"]
    words = ["NBA", "50", "%", "5", "0", "%", ",", "C", "+", "+", "...", "天"]
    vocabulary = Vocabulary.build([row], "normalised")
    assert set(vocabulary.words[2:]) == set(words)
    assert [vocabulary.words[n] for n in vocabulary.ids([row])[0]] == words


@settings(max_examples=40, deadline=None)
@given(token_lists)
def test_text_vectorization_matches_keras(rows: list[list[str]]) -> None:
    reference = keras.layers.TextVectorization(output_mode="int", output_sequence_length=5)
    texts = [" ".join(row) for row in [*rows, ["股市"]]]
    reference.adapt(texts)
    vocabulary = Vocabulary.build([*rows, ["股市"]], "text_vectorization")
    assert list(vocabulary.words) == reference.get_vocabulary()
    unseen = [["没有", "股市", "A!"]]
    expected = np.asarray(reference([*texts, " ".join(unseen[0])]))
    np.testing.assert_array_equal(vocabulary.encode([*rows, ["股市"], *unseen], 5), expected)


@given(token_lists, st.integers(1, 10))
def test_encode_cuts_or_pads_on_the_right(rows: list[list[str]], length: int) -> None:
    vocabulary = Vocabulary.build(rows[::2], "verbatim")
    encoded = vocabulary.encode(rows, length)
    assert encoded.shape == (len(rows), length)
    assert encoded.dtype == np.int32
    for row, ids in zip(rows, encoded, strict=True):
        words = vocabulary.ids([row])[0].tolist()[:length]
        assert ids.tolist() == words + [0] * (length - len(words))
        assert 0 not in words


def test_rows_are_padded_to_the_longest() -> None:
    vocabulary = Vocabulary.build([["a", "b"]], "verbatim")
    assert vocabulary.encode([["a"], ["a", "b", "c"]]).shape == (2, 3)
    assert vocabulary.encode([[], []]).tolist() == [[0], [0]]
    assert vocabulary.encode([]).shape == (0, 1)


@given(token_lists)
def test_every_word_of_the_rows_is_known(rows: list[list[str]]) -> None:
    vocabulary = Vocabulary.build(rows, "verbatim")
    words = [vocabulary.words[n] for row in rows for n in vocabulary.ids([row])[0]]
    assert words == [token for row in rows for token in row if token.strip()]


@pytest.mark.parametrize("rules", get_args(Rules))
def test_reserved_words_in_the_text_are_unknown(rules: str) -> None:
    vocabulary = Vocabulary.build([["[UNK]", "", "x"]], rules)
    assert len(set(vocabulary.words)) == len(vocabulary.words)
    assert 0 not in vocabulary.ids([["[UNK]", "", "x"]])[0]


def test_string_is_rejected_as_a_row() -> None:
    with pytest.raises(TypeError, match=r"list of tokens.*股市大涨"):
        Vocabulary.build([["股市"]], "verbatim").encode(["股市大涨"])  # type: ignore[list-item]


def test_saved_and_loaded(tmp_path) -> None:
    vocabulary = Vocabulary.build([["股市", '"', "\\", "\u2028"]], "verbatim")
    vocabulary.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json") == vocabulary
    assert "股市" in (tmp_path / "v.json").read_text(encoding="utf-8")


GOOD = {"format": "lstm_model.vocabulary/1", "rules": "verbatim", "words": ["", "[UNK]", "a"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "format"),
        ({"rules": "none"}, "text rules.*none"),
        ({"rules": ["verbatim"]}, "text rules"),
        ({"words": ["a", "b", "c"]}, "starts with"),
        ({"words": ["", "[UNK]", "a", "a"]}, "'a' is in the vocabulary more than once"),
        ({"words": ["", "[UNK]", 7]}, "list of strings"),
        ({"words": None}, "list of strings"),
    ],
)
def test_bad_file_is_rejected_and_named(tmp_path, change: dict, message: str) -> None:
    path = tmp_path / "v.json"
    path.write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(ValueError, match=message) as caught:
        Vocabulary.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_file_without_a_vocabulary_is_rejected(tmp_path, content: bytes) -> None:
    (tmp_path / "v.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"v\.json is not a vocabulary"):
        Vocabulary.load(tmp_path / "v.json")


def test_unknown_rules_are_rejected() -> None:
    with pytest.raises(ValueError, match="text rules must be one of"):
        Vocabulary.build([["a"]], "loose")  # type: ignore[arg-type]


@given(st.lists(st.text(max_size=6), max_size=12))
def test_ids_of_a_row_follow_the_text_rules(tokens) -> None:
    for rules in get_args(Rules):
        # Words as a file may hold them, though no rule would give them.
        vocabulary = Vocabulary(("", "[UNK]", "Ab", "ab", "股市", "\u3000", " ", "!"), rules)
        known = {word: place for place, word in enumerate(vocabulary.words) if place > 1}
        for _ in range(2):  # the second time from memory
            rows = [[*tokens, "AB", "股市", "\u3000", "a b!", "!"], [], tokens, ["a b!"]]
            ids, lengths = vocabulary.ids(rows)
            for row in rows:
                words = words_by_the_rules(row, rules)
                found, ids = ids[: lengths[0]], ids[lengths[0] :]
                assert found.tolist() == [known.get(word, 1) for word in words]
                lengths = lengths[1:]
            assert not len(ids)


@given(st.lists(tokens))
def test_joined_rows_have_the_ids_of_the_rows(rows: list[list[str]]) -> None:
    joined = JoinedTokens.of(rows)
    for rules in get_args(Rules):
        vocabulary = Vocabulary.build([["股", "涨!", "\n", "a"]], rules)
        for ours, theirs in zip(vocabulary.ids(joined), vocabulary.ids(rows), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def words_by_the_rules(tokens: list[str], rules: str) -> list[str]:
    if rules == "verbatim":
        return [token for token in tokens if token.strip()]
    if rules == "normalised":
        texts = [re.sub('[。“”"]', "", unicodedata.normalize("NFKC", token)) for token in tokens]
        words = [word for text in texts for word in re.findall("[%+]|[^%+]+", text)]
        return [word for word in words if word.strip()]
    lowered = "".join(c.lower() if c.isascii() else c for c in " ".join(tokens))
    kept = "".join(c for c in lowered if c not in string.punctuation)
    return [word for word in re.split("[ \t\n\v\f\r]+", kept) if word]
