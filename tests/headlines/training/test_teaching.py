"""A network taught by another model, through the soft labels of a corpus."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headlines.corpus.examples import examples
from headlines.corpus.ingest import ingest
from headlines.corpus.soft_labels import PROBABILITIES
from headlines.corpus.tokens import segment_corpus
from headlines.evaluation.baseline import Texts, fit_and_predict
from headlines.segmentation import Segmenter
from headlines.storage.data_root import DataRoot
from lstm_model.packed import PackedScorer
from lstm_model.training import train
from tests.factories import LABEL_WORDS, quick_preset

pytest.importorskip("sklearn")
pytestmark = pytest.mark.integration


def test_a_student_learns_from_soft_labels_what_its_teacher_knows(
    root: DataRoot, tmp_path: Path
) -> None:
    known = [
        (f"某地{words[n % 3]}", label) for label, words in enumerate(LABEL_WORDS) for n in range(9)
    ]
    first_words = tuple(words[0] for words in LABEL_WORDS)
    unlabelled = [title for title, _ in known if not title.endswith(first_words)]
    segmenter = Segmenter()
    # The teacher has seen labels for all words, a third of them wrong, so that it is not certain;
    # the student has seen only those of the first word of each class.
    titles, labels = zip(*known, strict=True)
    noisy = (np.array(labels) + (np.arange(len(labels)) % 9 >= 6)) % 3
    taught_titles = Texts(segmenter.cut(unlabelled), None)
    teacher = fit_and_predict(
        Texts(segmenter.cut(titles), None), noisy, taught_titles
    ).probabilities

    hard = pd.DataFrame(known, columns=["title", "label"])
    first = hard[~hard["title"].isin(unlabelled)].assign(split="train")
    dev = hard[hard["title"].isin(unlabelled)].assign(split="dev")
    dev["title"] += "了"  # not the titles of train
    soft = pd.DataFrame(teacher, columns=list(PROBABILITIES)).assign(title=unlabelled)
    folder = tmp_path / "taught"
    folder.mkdir()
    pd.concat([first, dev]).to_csv(folder / "labelled.csv", index=False)
    preset = replace(quick_preset(), epochs=30, learning_rate=0.02, dropout=0.0)

    def student() -> np.ndarray:
        corpus = ingest(root, "news", str(folder))
        tokens = segment_corpus(root, corpus)
        rows = [
            examples(corpus, tokens, split, preset, segmenter, for_training=split == "train")
            for split in ("train", "dev")
        ]
        trained = train(preset, *rows, tmp_path / "checkpoints")
        assert rows[1].labels.tolist() == dev["label"].tolist()
        return PackedScorer(trained).predict(taught_titles.titles)

    untaught = student()
    soft.to_csv(folder / "soft.csv", index=False)
    taught = student()
    right = dev["label"].to_numpy()
    assert (teacher.argmax(axis=1) == right).all()
    assert (untaught.argmax(axis=1) == right).mean() < 0.7
    assert (taught.argmax(axis=1) == right).all()
    # It is as certain as its teacher, not as certain as labels would make it.
    assert 0.4 < teacher.max(axis=1).mean() < 0.8
    assert abs(taught - teacher).max() < 0.1
