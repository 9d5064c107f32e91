from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from headlines import predict, segment
from headlines.errors import InputError
from headlines.models import champion
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from lstm_model import PackedScorer

TITLES = ["股市大涨", "某地地震，伤亡", "天气", "不在词表", "股市大涨"]


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch, root: DataRoot) -> None:
    monkeypatch.setenv("HEADLINES_DATA", str(root.store.directory))


@pytest.fixture
def models(root: DataRoot, publish_model: Callable[..., Artifact]) -> dict[str, Artifact]:
    found = {name: publish_model(root, name, seed=n) for n, name in enumerate(["one", "two"])}
    champion.promote(root, "two", "a test")
    return found


def test_probabilities_are_those_of_the_champion(models: dict[str, Artifact]) -> None:
    found = predict(TITLES)
    assert found.dtype == np.float32
    assert found.shape == (len(TITLES), 3)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    expected = PackedScorer.load(models["two"].directory).predict(segment(TITLES))
    np.testing.assert_array_equal(found, expected)
    assert not np.allclose(found[0], found[1])


def test_a_model_can_be_named(models: dict[str, Artifact]) -> None:
    for name, artifact in models.items():
        expected = PackedScorer.load(artifact.directory).predict(segment(TITLES))
        np.testing.assert_array_equal(predict(TITLES, model=name), expected)


@pytest.mark.usefixtures("models")
def test_a_title_gets_the_same_alone_as_among_others() -> None:
    together = predict(TITLES)
    np.testing.assert_array_equal(together[0], together[4])
    for title, row in zip(TITLES, together, strict=True):
        np.testing.assert_array_equal(predict([title])[0], row)


@pytest.mark.usefixtures("models")
def test_every_engine_of_the_same_words_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    titles = [*TITLES, "股市大涨3.5%，AI概念股下跌", "㐀地震text-indent伤亡"]
    expected = predict(titles)
    for engine in ("fast", "jieba"):
        monkeypatch.setenv("HEADLINES_ENGINE", engine)
        np.testing.assert_array_equal(predict(titles), expected)


@pytest.mark.usefixtures("models")
def test_another_segmenter_than_the_model_was_trained_with_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dictionary = tmp_path / "words.txt"
    dictionary.write_text("股市大涨\n", encoding="utf-8")
    monkeypatch.setenv("HEADLINES_DICTIONARY", str(dictionary))
    with pytest.raises(InputError, match="trained with a different segmenter"):
        predict(TITLES)


@pytest.mark.usefixtures("models")
def test_no_titles_have_no_rows() -> None:
    assert predict([]).shape == (0, 3)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("title", ["", "　", "a\x00b", "\udcff", "长" * 501])
def test_a_title_that_cannot_be_used_is_refused(title: str) -> None:
    with pytest.raises(InputError) as caught:
        predict(["股市大涨", title])
    assert caught.value.location.startswith("title ")
    str(caught.value).encode()  # it can be printed whatever the title holds


def test_without_a_model_it_says_how_to_make_one() -> None:
    with pytest.raises(InputError, match="headlines train"):
        predict(TITLES)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("name", ["three", "../one", ""])
def test_a_model_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        predict(TITLES, model=name)


def test_a_damaged_model_is_refused(models: dict[str, Artifact]) -> None:
    path = models["two"].directory / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(InputError, match="damaged"):
        predict(TITLES)
