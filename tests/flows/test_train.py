"""The flow `train`: only a better model becomes the champion; others give the reasons."""

import dataclasses
from pathlib import Path

import pytest

from headlines.labels import LABELS
from headlines.models import champion
from headlines.review.selection import ReviewSize
from headlines.storage.data_root import DataRoot
from lstm_model.presets import PRESETS
from tests.factories import LABEL_WORDS, make_labels, write_batch

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def presets(small_preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that memorizes the corpus, and one that learns nothing."""
    small = PRESETS[small_preset]
    for name, fields in {
        "learnt": {"epochs": 30, "learning_rate": 0.02},
        "lazy": {"epochs": 1, "learning_rate": 1e-6},
        "lazier": {"epochs": 2, "learning_rate": 1e-6},
    }.items():
        monkeypatch.setitem(PRESETS, name, dataclasses.replace(small, name=name, **fields))


@pytest.mark.usefixtures("presets")
def test_a_better_model_is_promoted_and_a_worse_one_is_not(
    root: DataRoot, corpus_file: Path
) -> None:
    from flows.ingest import ingest
    from flows.train import train

    def version() -> str:
        return champion.open_champion(root).version

    ingest(str(corpus_file), "news")

    first = train("lazy", "news")
    assert first["promotion"]["summary"] == "it is the first model"
    assert first["promotion"]["promoted"]
    assert first["artifact"].endswith(version())

    left = train("learnt", "news", promote=False)
    assert left["promotion"] is None
    assert first["artifact"].endswith(version())
    assert Path(left["evaluation"]["artifact"]).is_dir()

    better = train("learnt", "news")  # judged now, though nothing is left to train or to evaluate
    assert better["reused"]
    assert better["evaluation"]["reused"]
    assert better["promotion"]["promoted"]
    assert better["promotion"]["champion"] == first["promotion"]["version"]
    assert better["promotion"]["version"] == version()
    assert champion.history(root)[-1].reason == better["promotion"]["summary"]
    overview = Path(root.location(root.overview)).read_text("utf-8")
    assert f"the champion is {version()}." in overview

    worse = train("lazier", "news")
    assert not worse["promotion"]["promoted"]
    assert any("not shown to be lower" in reason for reason in worse["promotion"]["reasons"])
    assert better["promotion"]["version"] == version()

    champion.rollback(root)
    again = train("learnt", "news")
    assert not again["promotion"]["promoted"]
    assert "it was the champion before" in again["promotion"]["reasons"][0]
    assert first["artifact"].endswith(version())


@pytest.mark.usefixtures("presets")
def test_people_label_a_night_and_a_model_learns_from_it(root: DataRoot, corpus_file: Path) -> None:
    from flows.ingest import ingest
    from flows.nightly import nightly
    from flows.train import train

    def truth(title: str) -> str:
        return next(LABELS[n] for n, words in enumerate(LABEL_WORDS) if title[8:10] in words)

    ingest(str(corpus_file), "news")
    starts = [chr(0x4E00 + number) * 8 for number in range(60)]
    titles = [start + LABEL_WORDS[n % 3][n % 2] for n, start in enumerate(starts)]
    write_batch(Path(root.location(root.inbox)) / "a.csv", titles)
    first = nightly("news", "lazy")
    assert first["reviewed"] is None

    make_labels(root, "first", ReviewSize(60, lot=0.5), truth)
    night = nightly("news", "lazy")
    assert night["reviewed"]["headlines"] == 30
    better = train("learnt", "news+labels")
    assert better["evaluation"]["counts"]["metrics"]["reviewed"]["all"]["rows"] == 30
    assert better["promotion"]["promoted"]
    assert better["promotion"]["summary"].startswith("dev and reviewed cross-entropy")
