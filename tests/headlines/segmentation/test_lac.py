import json
import math
import platform
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headlines.errors import InputError
from headlines.segmentation import lac as lac_module
from headlines.segmentation import lac_weights
from headlines.segmentation.lac import WHITESPACE, Lac, best_path
from headlines.segmentation.lac_weights import lac_directory, read_lac, weight_shapes

# What jieba 0.42.1 itself printed, `jieba.posseg.cut(text, use_paddle=True)` with
# paddlepaddle-tiny 1.6.1 on Python 3.7: for 75 training titles of the iNews corpus, then for 20
# texts made up for their whitespace, full width, emoji and rare characters.
GOLDEN = Path(__file__).with_name("data") / "lac_titles.jsonl"
GOLDEN_ROWS = [json.loads(line) for line in GOLDEN.read_text("utf-8").split("\n")[:-1]]

AWKWARD = st.text(
    "中国人民银行来到AＡ１1.，！% 　\n\r\t😀𠀀龘é\x00\x1c\x85\u200b\u2028\ud800", max_size=40
)
TEXTS = st.text(max_size=30) | AWKWARD


@pytest.fixture(scope="module")
def lac() -> Lac:
    return Lac.load()


# What jieba prints


def test_words_and_tags_match_paddle(lac: Lac) -> None:
    known = read_lac(lac_directory()).characters
    tagged = lac.tag([row["text"] for row in GOLDEN_ROWS])
    assert len(GOLDEN_ROWS) == 95
    for row, words in zip(GOLDEN_ROWS, tagged, strict=True):
        assert "".join(word for word, _ in words) == row["text"]
        words = [(word, tag) for word, tag in words if tag != WHITESPACE]
        printed = ["".join(c if c in known else " " for c in word) for word, _ in words]
        assert (printed, [tag for _, tag in words]) == (row["tokens"], row["tags"])


def test_examples_of_jiebas_readme(lac: Lac) -> None:
    assert lac.cut(["我来到北京清华大学", "乒乓球拍卖完了", "中国科学技术大学"]) == [
        ["我", "来到", "北京清华大学"],
        ["乒乓球", "拍卖", "完", "了"],
        ["中国科学技术大学"],
    ]
    words = [("我", "r"), ("爱", "v"), ("北京", "LOC"), ("天安门", "LOC")]
    assert lac.tag(["我爱北京天安门"]) == [words]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \r\n　", [(" \r\n　", "x")]),
        ("  我爱 北京\n", [("  ", "x"), ("我", "r"), ("爱 ", "v"), ("北京", "LOC"), ("\n", "x")]),
        ("😀中国𠀀人民", [("😀", "v"), ("中国", "LOC"), ("𠀀", "v"), ("人民", "n")]),
    ],
)
def test_text_that_jieba_drops_or_blanks_is_kept(
    lac: Lac, text: str, words: list[tuple[str, str]]
) -> None:
    assert lac.tag([text]) == [words]
    assert lac.cut([text]) == [[word for word, _ in words]]


@given(TEXTS)
def test_joined_words_are_the_text(lac: Lac, text: str) -> None:
    [words] = lac.cut([text])
    assert "".join(words) == text
    assert "" not in words


def test_single_string_is_refused(lac: Lac) -> None:
    assert lac.tag([]) == lac.cut([]) == []
    for call in (lac.tag, lac.cut):
        with pytest.raises(TypeError, match="not one text"):
            call("中国")


def test_fingerprint_of_jiebas_files(lac: Lac) -> None:
    assert lac.fingerprint == "b36a27a3d403e69d0b6ed592c47d139af158460136b105d2a090213242605837"


def test_jieba_paddle_and_tensorflow_are_not_loaded() -> None:
    code = (
        "import sys; from headlines.segmentation.lac import Lac; Lac.load().cut(['中国']);"
        "print({'jieba', 'paddle', 'tensorflow', 'google.protobuf'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# A text alone and with others


@settings(max_examples=40)
@given(st.lists(TEXTS, max_size=12))
def test_other_texts_do_not_change_the_words(lac: Lac, texts: list[str]) -> None:
    alone = [words for text in texts for words in lac.tag([text])]
    assert lac.tag(texts) == alone
    assert lac.tag(texts[::-1]) == alone[::-1]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="see `Lac`")
def test_scores_are_bit_identical_alone_and_together(lac: Lac) -> None:
    rng = np.random.default_rng(0)
    steps = np.sort(rng.integers(1, 40, 75))[::-1]
    ids = rng.integers(0, 20_000, steps.sum())
    together = np.split(lac._scores(ids, steps), np.cumsum(steps)[:-1])
    for row, scores in zip(np.split(ids, np.cumsum(steps)[:-1]), together, strict=True):
        np.testing.assert_array_equal(lac._scores(row, np.array([len(row)])), scores)


def test_chunk_size_does_not_change_the_words(lac: Lac, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [row["text"] for row in GOLDEN_ROWS[::2]]
    expected = lac.tag(texts)
    for name, size in (("CHUNK_ROWS", 7), ("CHUNK_CHARS", 50), ("AFFINE_ROWS", 24)):
        monkeypatch.setattr(lac_module, name, size)
        assert lac.tag(texts) == expected


def test_long_text_among_short_ones(lac: Lac) -> None:
    titles = [row["text"] for row in GOLDEN_ROWS]
    long = "。".join(titles)
    assert lac.tag([*titles, long, ""]) == [*lac.tag(titles), *lac.tag([long]), []]


@pytest.mark.slow
def test_memory_of_a_text_of_100_000_characters(lac: Lac) -> None:
    text = "".join(row["text"] for row in GOLDEN_ROWS).strip()
    text = (text * math.ceil(100_000 / len(text)))[:100_000]
    tracemalloc.start()
    [words] = lac.cut([text])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "".join(words) == text
    assert peak < 600e6


def test_threads_may_share_an_instance(lac: Lac) -> None:
    texts = [row["text"] for row in GOLDEN_ROWS[::4]]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lac.tag, [texts] * 4)) == [lac.tag(texts)] * 4


# The network, against the plain formulas


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def textbook_direction(x: list[np.ndarray], weights: dict[str, Any], n: int) -> list[np.ndarray]:
    """The states after each of `x`, read in the order given; float64."""
    packed = weights[f"gru_{n}.w_0"]
    units = len(packed)
    u_gates = packed.ravel()[: 2 * units**2].reshape(units, 2 * units)
    u_update, u_reset = u_gates[:, :units], u_gates[:, units:]
    u_candidate = packed.ravel()[2 * units**2 :].reshape(units, units)
    h = np.zeros(units)
    states = []
    for vector in x:
        inputs = vector @ weights[f"fc_{n}.w_0"] + weights[f"fc_{n}.b_0"]
        x_update, x_reset, x_candidate = np.split(inputs + weights[f"gru_{n}.b_0"][0], 3)
        update = sigmoid(x_update + h @ u_update)
        reset = sigmoid(x_reset + h @ u_reset)
        candidate = np.tanh(x_candidate + (reset * h) @ u_candidate)
        h = (1 - update) * h + update * candidate
        states.append(h)
    return states


def textbook_scores(ids: list[int], weights: dict[str, np.ndarray]) -> np.ndarray:
    """Scores of the tags, `(characters, tags)`, float64."""
    weights = {name: weight.astype(np.float64) for name, weight in weights.items()}
    x = [weights["word_emb"][n] for n in ids]
    for layer in (0, 1):
        forwards = textbook_direction(x, weights, 2 * layer)
        backwards = textbook_direction(x[::-1], weights, 2 * layer + 1)[::-1]
        x = [np.concatenate(pair) for pair in zip(forwards, backwards, strict=True)]
    return np.stack(x) @ weights["fc_4.w_0"] + weights["fc_4.b_0"]


def best_of_all_paths(scores: np.ndarray, crfw: np.ndarray) -> list[int]:
    """The tags with the highest sum, found by trying every sequence of tags."""

    def total(path: tuple[int, ...]) -> float:
        steps = sum(crfw[2 + one, next_] for one, next_ in pairwise(path))
        emitted = sum(row[tag] for row, tag in zip(scores, path, strict=True))
        return float(crfw[0, path[0]] + steps + emitted + crfw[1, path[-1]])

    return list(max(product(range(crfw.shape[1]), repeat=len(scores)), key=total))


def textbook_words(text: str, tags: list[str]) -> list[tuple[str, str]]:
    """Words as jieba's `parse_result` joins them."""
    words: list[tuple[str, str]] = []
    for n, (character, tag) in enumerate(zip(text, tags, strict=True)):
        if n == 0 or tag.endswith("-B") or (tag == "O" and tags[n - 1] != "O"):
            words.append((character, tag.split("-")[0]))
        else:
            words[-1] = (words[-1][0] + character, words[-1][1])
    return words


def paddle_file(weight: np.ndarray, data_type: int = 5) -> bytes:
    """A weight as Paddle saves it."""
    description = bytearray([0x08, data_type])
    for size in weight.shape:
        description.append(0x10)
        while size > 0x7F:
            description.append(size & 0x7F | 0x80)
            size >>= 7
        description.append(size)
    header = struct.pack("<IQIi", 0, 0, 0, len(description))
    return header + bytes(description) + weight.astype("<f4").tobytes()


SMALL_CHARACTERS, SMALL_TAGS = "中国人民ab", ("n-B", "n-I", "v-B", "v-I", "O")


@pytest.fixture
def small_model(tmp_path: Path) -> Callable[[int], Path]:
    """Writes a small network with random weights."""

    def write(seed: int) -> Path:
        rng = np.random.default_rng(seed)
        directory = tmp_path / str(seed)
        (directory / "model_baseline").mkdir(parents=True)
        words = [*SMALL_CHARACTERS, "OOV_NUM", "OOV"]
        for name, entries in (("word.dic", words), ("tag.dic", SMALL_TAGS)):
            text = "".join(f"{number}\t{entry}\n" for number, entry in enumerate(entries))
            (directory / name).write_text(text, encoding="utf-8")
        mild = ("crfw", "fc_4.b_0")  # so that it is the text that decides
        for name, shape in weight_shapes(len(words), len(SMALL_TAGS), 3, 4).items():
            weight = rng.standard_normal(shape, np.float32) * (0.5 if name in mild else 2)
            (directory / "model_baseline" / name).write_bytes(paddle_file(weight))
        return directory

    return write


@pytest.mark.parametrize("seed", [0, 2, 5, 9, 11, 15])
def test_small_network_matches_the_formulas(small_model: Callable[[int], Path], seed: int) -> None:
    directory = small_model(seed)
    model = read_lac(directory)
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice([*SMALL_CHARACTERS, "?"], n)) for n in (1, 5, 2, 3, 4, 5, 1)]
    tagged = Lac.load(directory).tag(texts)
    assert {tag for words in tagged for _, tag in words} == {"n", "v", "O"}
    for text, words in zip(texts, tagged, strict=True):
        ids = [model.characters.get(character, model.unknown) for character in text]
        scores = textbook_scores(ids, dict(model.weights))
        path = best_of_all_paths(scores, model.weights["crfw"].astype(np.float64))
        assert words == textbook_words(text, [SMALL_TAGS[tag] for tag in path])


def test_scores_of_jiebas_network_match_the_formulas(lac: Lac) -> None:
    model = read_lac(lac_directory())
    texts = sorted((row["text"].strip() for row in GOLDEN_ROWS[::9]), key=len, reverse=True)
    rows = [[model.characters.get(c, model.unknown) for c in text] for text in texts]
    expected = np.concatenate([textbook_scores(row, dict(model.weights)) for row in rows])
    scores = lac._scores(np.concatenate(rows), np.array([len(row) for row in rows]))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-3)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 5), min_size=1, max_size=9))
def test_best_path_is_the_best_of_all_paths(seed: int, lengths: list[int]) -> None:
    rng = np.random.default_rng(seed)
    steps = np.array(sorted(lengths, reverse=True))
    crfw = rng.standard_normal((5, 3), np.float32)
    scores = rng.standard_normal((steps.sum(), 3), np.float32)
    rows = np.split(scores.astype(np.float64), np.cumsum(steps)[:-1])
    tags = np.split(best_path(scores, crfw, steps), np.cumsum(steps)[:-1])
    for row, path in zip(rows, tags, strict=True):
        assert path.tolist() == best_of_all_paths(row, crfw.astype(np.float64))


# The files


def weight(*shape: int) -> bytes:
    return paddle_file(np.ones(shape, np.float32))


GOOD = weight(5)  # fc_4.b_0 of the small network
DAMAGE = [
    ("fc_4.b_0", b"", "ends after 0 bytes"),
    ("fc_4.b_0", GOOD[:19], "ends after 19 bytes"),
    ("fc_4.b_0", GOOD[:23], "not a Paddle tensor of format 0"),
    ("fc_4.b_0", GOOD[:16] + b"\x03" + GOOD[17:], "ends within a number"),
    ("fc_4.b_0", GOOD[:-1], r"43 bytes, expected 44 for the shape \(5,\)"),
    ("fc_4.b_0", GOOD + b"\0", r"45 bytes, expected 44 for the shape \(5,\)"),
    ("fc_4.b_0", b"\x01" + GOOD[1:], "not a Paddle tensor of format 0"),
    ("fc_4.b_0", GOOD[:4] + b"\x01" + GOOD[5:], "without LoD"),
    ("fc_4.b_0", GOOD[:16] + b"\xff" * 4 + GOOD[20:], "not a Paddle tensor"),
    ("fc_4.b_0", b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}" + GOOD, "not a Paddle tensor"),
    ("fc_4.b_0", paddle_file(np.ones(5), data_type=6), "type 6, expected FP32"),
    ("fc_4.b_0", GOOD[:20] + b"\x1a" + GOOD[21:], "unknown field 0x1a"),
    ("fc_4.b_0", paddle_file(np.float32(1)), r"the invalid shape \(\)"),
    ("fc_4.b_0", weight(0), r"the invalid shape \(0,\)"),
    ("fc_4.b_0", weight(1, 1, 5), r"the invalid shape \(1, 1, 5\)"),
    ("fc_4.b_0", weight(6), r"shape \(6,\), expected \(5,\)"),
    ("fc_4.b_0", weight(1, 5), r"shape \(1, 5\), expected \(5,\)"),
    ("word_emb", weight(7, 3), r"shape \(7, 3\), expected \(8, 3\)"),
    ("gru_3.w_0", weight(12, 4), r"shape \(12, 4\), expected \(4, 12\)"),
    ("crfw", paddle_file(np.full((7, 5), np.nan)), "not finite"),
    ("crfw", None, "cannot be read"),
    ("word.dic", None, "cannot be read"),
    ("word.dic", b"", "not a valid dictionary"),
    ("word.dic", b"\xff", "not a valid dictionary"),
    ("word.dic", b"0 a\n1 OOV\n", "not a valid dictionary"),
    ("word.dic", b"a\t0\n", "not a valid dictionary"),
    ("word.dic", b"0\ta\n1\ta\n2\tOOV\n", "duplicate"),
    ("word.dic", b"0\ta\n0\tOOV\n", "duplicate"),
    ("word.dic", b"-1\ta\n0\tOOV\n", "below 0"),
    ("word.dic", b"0\ta\r\n1\tOOV\r\n", "has no entry OOV"),
    ("word.dic", b"0\ta\n1\tOOV\n", r"shape \(8, 3\), expected \(2, 3\)"),
    ("tag.dic", b"0\tn-B\n2\tO\n", "skips a number"),
    ("tag.dic", b"0\tB-n\n1\tO\n", "has the tag 'B-n'"),
    ("tag.dic", b"0\tn-B\n1\tO\n", r"expected \(8, 2\)"),
]


@pytest.mark.parametrize(("name", "content", "problem"), DAMAGE, ids=range(len(DAMAGE)))
def test_invalid_file_is_refused_by_name(
    small_model: Callable[[int], Path], name: str, content: bytes | None, problem: str
) -> None:
    directory = small_model(0)
    path = directory / name if name.endswith(".dic") else directory / "model_baseline" / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=problem) as refused:
        Lac.load(directory)
    # A dictionary of the wrong size shows in the first weight that does not match it.
    refused_name = Path(refused.value.location).name
    assert refused_name == name or (name.endswith(".dic") and "expected" in problem)
    assert refused.value.hint == "reinstall jieba 0.42.1"


@given(st.lists(st.tuples(st.integers(0, 24), st.integers(0, 255)), max_size=4), st.integers(0, 50))
def test_any_header_is_read_or_refused(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray((GOOD + bytes(50))[:length])
    for place, byte in changes:
        data[place : place + 1] = bytes([byte])
    with suppress(InputError):
        assert lac_weights._tensor(bytes(data), Path("weight")).ndim <= 2


def test_changed_byte_gives_another_fingerprint(small_model: Callable[[int], Path]) -> None:
    directory = small_model(0)
    before = Lac.load(directory).fingerprint
    assert Lac.load(directory).fingerprint == before
    path = directory / "model_baseline" / "fc_4.b_0"
    path.write_bytes(weight(5))
    assert Lac.load(directory).fingerprint != before


def test_missing_jieba_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lac_weights, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="jieba: is not installed; install jieba"):
        Lac.load()
