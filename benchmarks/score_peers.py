"""What people would use in place of this project to label a file of headlines.

All read the file with pandas, and none writes one: their labels are compared with ours. Python,
libraries, dictionaries and models are loaded before the time is taken.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Peer, Run, needs_tensorflow
from benchmarks.segment import quiet_jieba
from lstm_model.bundle import read_bundle
from lstm_model.inputs import padded_ids

NOTEBOOK = "the notebook's way"
BATCHES = (32, 128, 512)  # rows, tried by each
CHUNK = 2000  # titles that a worker process gets at a time

_label: Callable[..., Any]  # of a worker process


def peers(bundle: Path, onnx: Path, file: Path) -> list[Peer]:
    """All of them, the notebook's way first; each runs with `batch` and `rows`."""
    inputs = {"bundle": bundle, "file": file}
    return [
        Peer(NOTEBOOK, 2, notebook, **inputs),
        *(
            Peer(
                f"ONNX Runtime, pandas, {cut}{where}",
                threads,
                prepare,
                **inputs,
                onnx=onnx,
                cut=cut,
            )
            for where, threads, prepare in (
                ("", 2, exported),
                (", two processes", 1, exported_in_processes),
            )
            for cut in ("jieba", "rjieba")
        ),
    ]


@needs_tensorflow
def notebook(bundle: Path, file: Path) -> Run:
    """jieba, words looked up by `TextVectorization`, and `Model.predict`."""
    import keras
    import tensorflow as tf

    from benchmarks.keras_peer import keras_classifier, with_weights
    from lstm_model.vocabulary import normalised_words

    read = read_bundle(bundle)
    preset, calibration = read.preset, read.calibration
    model = with_weights(keras_classifier(preset, *read.vocabulary_sizes), preset, read.weights)
    cut = cutter("jieba")
    lookup = keras.layers.TextVectorization(
        standardize="lower_and_strip_punctuation" if preset.rules == "text_vectorization" else None,
        split="whitespace",
        output_sequence_length=preset.padded_length,
        vocabulary=list(read.vocabulary.words[2:]),
    )

    def run(batch: int, rows: int | None = None) -> Any:
        words = cut(titles_of(file, rows))
        # The notebook has no bigrams: these are looked up by this project.
        bigrams = padded_ids(preset.input_names, read.vocabularies, words)[1:]
        if preset.rules == "normalised":
            words = [normalised_words(row) for row in words]
        ids = [lookup(tf.constant([" ".join(row) for row in words])), *bigrams]
        probabilities = model.predict(ids, batch_size=batch, verbose=0)
        return calibration.labels(calibration.probabilities(np.log(probabilities)))

    return run


def exported(bundle: Path, file: Path, onnx: Path, cut: str) -> Run:
    """The exported model, its vocabularies, and jieba or `rjieba`."""
    label = labeller(bundle, onnx, cut)
    return lambda batch, rows=None: label(titles_of(file, rows), batch)


def exported_in_processes(bundle: Path, file: Path, onnx: Path, cut: str) -> Run:
    """The same in two processes of `multiprocessing`."""
    context = multiprocessing.get_context("spawn")
    pool = context.Pool(2, _start_worker, (bundle, onnx, cut))

    def run(batch: int, rows: int | None = None) -> Any:
        titles = titles_of(file, rows)
        chunks = [titles[start : start + CHUNK] for start in range(0, len(titles), CHUNK)]
        return np.concatenate(pool.map(partial(_label_chunk, batch), chunks, chunksize=1))

    return run


def labeller(bundle: Path, onnx: Path, cut: str) -> Callable[[Sequence[str], int], Any]:
    """The function that labels titles, in batches of similar length, by an exported model."""
    from benchmarks.onnx_peer import onnx_classifier

    read, predict, words_of = read_bundle(bundle), onnx_classifier(onnx), cutter(cut)
    names, vocabularies, calibration = read.preset.input_names, read.vocabularies, read.calibration
    del read  # with its weights

    def label(titles: Sequence[str], batch: int) -> Any:
        words = words_of(titles)
        by_length = np.argsort([len(row) for row in words], kind="stable")
        probabilities = np.empty((len(titles), 3), np.float32)
        for start in range(0, len(titles), batch):
            rows = by_length[start : start + batch]
            ids = padded_ids(names, vocabularies, [words[row] for row in rows])
            probabilities[rows] = predict(ids)
        return calibration.labels(probabilities)

    return label


def cutter(name: str) -> Callable[[Sequence[str]], list[list[str]]]:
    """The function that cuts titles into words by jieba or `rjieba`."""
    if name == "jieba":
        jieba = quiet_jieba()
        jieba.initialize()
        return lambda titles: [jieba.lcut(title) for title in titles]
    import rjieba

    rjieba.cut("")
    return lambda titles: [rjieba.cut(title) for title in titles]


def titles_of(file: Path, rows: int | None) -> list[str]:
    """The first titles of a file; None: all."""
    import pandas as pd

    if file.suffix == ".parquet":
        table = pd.read_parquet(file, columns=["title"])
    else:
        table = pd.read_csv(file, usecols=["title"], nrows=rows)
    titles: list[str] = table["title"].tolist()[:rows]
    return titles


def _start_worker(bundle: Path, onnx: Path, cut: str) -> None:
    global _label
    _label = labeller(bundle, onnx, cut)


def _label_chunk(batch: int, titles: Sequence[str]) -> Any:
    return _label(titles, batch)
