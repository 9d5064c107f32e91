"""Scoring headlines: `PackedScorer`, Keras, `tf.function` and ONNX Runtime.

    python -m benchmarks.scorer [--preset notebook] [--rounds 15] [--headlines 999] [--threads 1 2]

All start from headlines of the test split, as words that the vocabulary has not looked up before.
Each peer is tried with one and two threads (`--threads`) and several batch sizes, once with the
rows in any order and once sorted by length with the padding trimmed, as its users may do; the
tables have the best of each, and as ratio how many times as long as the first row it takes. The
weights are random: the time does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.inews import examples
from benchmarks.measure import (
    Peer,
    PeerRun,
    Run,
    best_options,
    fastest,
    machine,
    medians,
    needs_tensorflow,
    positive,
    show_table,
    straight_line,
)
from lstm_model.architecture import weight_shapes
from lstm_model.bundle import Bundle, read_bundle, write_bundle
from lstm_model.export.export import export_model
from lstm_model.kernel import FASTEST
from lstm_model.packed import PackedScorer
from lstm_model.presets import PRESETS, Preset
from lstm_model.vocabulary import Vocabulary

Ids = NDArray[np.int32]
Tokens = Sequence[Sequence[str]]
BATCHES = (32, 128, 999)


# Functions that a peer calls in its own process; the returned function is timed.


def packed(bundle: Path, tokens: Tokens, kernel: str) -> Run:
    """This project."""
    scorer = PackedScorer.load(bundle, kernel=kernel)
    lookup = Lookup(bundle)

    def before() -> None:
        lookup.renew()
        scorer.vocabularies = [lookup.vocabulary]

    return with_before(lambda: scorer.predict(tokens), before)


@needs_tensorflow
def keras_predict(bundle: Path, tokens: Tokens, ours: bool) -> Run:
    """`Model.predict`, with `CustomLSTM` or with `keras.layers.LSTM`."""
    model, lookup = keras_model(bundle, ours), Lookup(bundle)

    def run(batch: int, by_length: bool) -> Any:
        ids = lookup.ids(tokens)
        if by_length:  # one call a batch, since `predict` pads all batches alike
            return in_batches(lambda rows: model.predict_on_batch(rows), ids, batch, by_length)
        return model.predict(ids, batch_size=batch, verbose=0)

    return with_before(run, lookup.renew)


@needs_tensorflow
def tf_function(bundle: Path, tokens: Tokens) -> Run:
    """The model with `keras.layers.LSTM` as a `tf.function` that takes any batch and length."""
    import tensorflow as tf

    model, lookup = keras_model(bundle, ours=False), Lookup(bundle)
    signature = [tf.TensorSpec((None, None), tf.int32)]
    call = tf.function(lambda rows: model(rows, training=False), input_signature=signature)

    def run(batch: int, by_length: bool) -> Any:
        return in_batches(lambda rows: call(rows).numpy(), lookup.ids(tokens), batch, by_length)

    return with_before(run, lookup.renew)


def onnx_runtime(bundle: Path, tokens: Tokens, model: Path) -> Run:
    """The bundle exported to ONNX, whose operators have an LSTM."""
    from benchmarks.onnx_peer import onnx_classifier

    lookup, predict = Lookup(bundle), onnx_classifier(model)

    def run(batch: int, by_length: bool) -> Any:
        return in_batches(lambda rows: predict([rows]), lookup.ids(tokens), batch, by_length)

    return with_before(run, lookup.renew)


def keras_model(directory: Path, ours: bool) -> Any:
    """The bundle's classifier, with our recurrent layers or with those of Keras."""
    from benchmarks.keras_peer import keras_classifier, with_weights
    from lstm_model.classifier import build_classifier

    bundle = read_bundle(directory)
    size = len(bundle.vocabulary)
    if not ours:
        return with_weights(keras_classifier(bundle.preset, size), bundle.preset, bundle.weights)
    model = build_classifier(bundle.preset, size)
    for variable in model.weights:
        variable.assign(bundle.weights[variable.path])
    return model


class Lookup:
    """Words to ids by the bundle's vocabulary, at the length that its preset pads to.

    A vocabulary caches the tokens it has looked up. `renew` makes one that has looked up those of
    the dev split, but not those of the test split that are timed.
    """

    def __init__(self, directory: Path) -> None:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        self.length = config["preset"]["padded_length"]
        self.vocabulary = Vocabulary.load(directory / "vocabulary.json")
        self._others = examples("dev").token_lists

    def renew(self) -> None:
        self.vocabulary = replace(self.vocabulary)
        self.vocabulary.encode(self._others)

    def ids(self, tokens: Tokens) -> Ids:
        return self.vocabulary.encode(tokens, self.length)


def with_before(run: Run, before: Callable[[], None]) -> Run:
    """`run`, with a function that is called before it and not timed."""
    run.before = before  # type: ignore[attr-defined]
    return run


def in_batches(predict: Callable[[Ids], Any], ids: Ids, batch: int, by_length: bool) -> Any:
    """`predict` for all rows, in their order."""
    lengths = np.count_nonzero(ids, axis=1)
    order = np.argsort(lengths, kind="stable") if by_length else np.arange(len(ids))
    results = []
    for at in range(0, len(ids), batch):
        rows = order[at : at + batch]
        trimmed = slice(max(1, lengths[rows].max())) if by_length else slice(None)
        results.append(predict(ids[rows, trimmed]))
    probabilities = np.empty((len(ids), 3), dtype=np.float32)
    probabilities[order] = np.concatenate(results)
    return probabilities


# The same from files on disk: the time includes reading the model, but no import.


def load_packed(bundle: Path, tokens: Tokens) -> Run:
    """This project: bundle and words in, probabilities out."""
    return lambda: PackedScorer.load(bundle).predict(tokens)


def load_onnx(bundle: Path, tokens: Tokens, model: Path) -> Run:
    """The exported model and its vocabulary."""
    from benchmarks.onnx_peer import onnx_classifier

    def run() -> Any:
        predict = onnx_classifier(model)
        ids = Vocabulary.load(bundle / "vocabulary.json").encode(tokens)
        return in_batches(lambda rows: predict([rows]), ids, 128, False)

    return run


@needs_tensorflow
def load_saved_model(bundle: Path, tokens: Tokens, model: Path) -> Run:
    """The exported SavedModel and its vocabulary."""
    import tensorflow as tf

    def run() -> Any:
        signature = tf.saved_model.load(model).signatures["serving_default"]
        ids = Vocabulary.load(bundle / "vocabulary.json").encode(tokens)
        return signature(tf.constant(ids))["probabilities"].numpy()

    return run


@needs_tensorflow
def load_keras(bundle: Path, tokens: Tokens) -> Run:
    """The weights of the bundle in a model with `keras.layers.LSTM`."""

    length = Lookup(bundle).length

    def run() -> Any:
        ids = Vocabulary.load(bundle / "vocabulary.json").encode(tokens, length)
        return keras_model(bundle, ours=False).predict(ids, batch_size=999, verbose=0)

    return run


# The measurements.


def random_bundle(preset: Preset, tokens: Tokens) -> Bundle:
    vocabulary = Vocabulary.build(tokens, preset.rules, preset.min_count)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.standard_normal(shape, np.float32) * np.float32(0.3)
        for name, shape in weight_shapes(preset, len(vocabulary)).items()
    }
    return Bundle(preset, [vocabulary], weights, [], 1)


def compare(bundle: Path, onnx: Path, tokens: Tokens, threads: Sequence[int], rounds: int) -> None:
    """The peers at their best, in milliseconds and as ratios."""
    inputs = {"bundle": bundle, "tokens": tokens}
    best: list[PeerRun] = [
        (Peer(f"this project, kernel `{kernel}`", 1, packed, **inputs, kernel=kernel), {})
        for kernel in dict.fromkeys((FASTEST, "numpy"))
    ]
    expected = best[0][0].result()
    for name, prepare, more in (
        ("ONNX Runtime", onnx_runtime, {"model": onnx}),
        ("`tf.function`, `keras.layers.LSTM`", tf_function, {}),
        ("`Model.predict`, `keras.layers.LSTM`", keras_predict, {"ours": False}),
        ("`Model.predict`, `CustomLSTM`", keras_predict, {"ours": True}),
    ):
        peers = [Peer(name, count, prepare, **inputs, **more) for count in threads]
        for by_length in (False, True):
            choices = [{"batch": batch, "by_length": by_length} for batch in BATCHES]
            peer, options = fastest([(peer, best_options(peer, choices)) for peer in peers], 3)
            np.testing.assert_allclose(peer.result(**options), expected, atol=1e-5)
            best.append((peer, options))
    seconds = medians(best, rounds)
    rows = []
    for (peer, options), median in zip(best, seconds, strict=True):
        order = " sorted by length" if options.get("by_length") else " in any order"
        rows.append(
            (
                peer.name,
                f"{peer.threads}",
                f"{options['batch']}{order}" if options else "",
                f"{1e3 * median:.1f}",
                f"{median / seconds[0]:.1f}",
                f"{len(tokens) / median:,.0f}",
                f"{peer.peak_memory() / 2**20:.0f}",
            )
        )
    show_table(
        ("", "threads", "rows a batch", "ms", "ratio", "headlines a second", "peak memory, MiB"),
        rows,
    )


def compare_from_disk(paths: dict[str, str], tokens: Tokens, rounds: int) -> None:
    """From files to the probabilities of all headlines, imports done."""
    inputs = {"bundle": Path(paths["bundle"]), "tokens": tokens}
    onnx, saved_model = Path(paths["onnx"]), paths["saved_model"]
    peers = [
        Peer("this project, `PackedScorer`", 1, load_packed, **inputs),
        Peer("ONNX Runtime", 2, load_onnx, **inputs, model=onnx),
        Peer("Keras SavedModel", 2, load_saved_model, **inputs, model=saved_model),
        Peer("`Model.predict`, `keras.layers.LSTM`", 2, load_keras, **inputs),
    ]
    for peer in peers:
        np.testing.assert_allclose(peer.result(), peers[0].result(), atol=1e-5)
    seconds = medians([(peer, {}) for peer in peers], rounds)
    show_table(
        ("model on disk to probabilities", "ms", "ratio"),
        [
            (peer.name, f"{1e3 * median:.0f}", f"{median / seconds[0]:.1f}")
            for peer, median in zip(peers, seconds, strict=True)
        ],
    )
    for peer in peers:
        peer.close()


COLD = {
    "this project, `PackedScorer`": """
from lstm_model.packed import PackedScorer
PackedScorer.load({bundle!r}).predict([{words!r}])""",
    "ONNX Runtime": """
import numpy as np
from pathlib import Path
from onnxruntime import InferenceSession
from lstm_model.vocabulary import Vocabulary
session = InferenceSession({onnx!r}, providers=["CPUExecutionProvider"])
ids = Vocabulary.load(Path({bundle!r}, "vocabulary.json")).encode([{words!r}])
session.run(None, {{session.get_inputs()[0].name: ids}})""",
    "Keras SavedModel": """
import tensorflow as tf
from pathlib import Path
from lstm_model.vocabulary import Vocabulary
model = tf.saved_model.load({saved_model!r})
ids = Vocabulary.load(Path({bundle!r}, "vocabulary.json")).encode([{words!r}])
model.signatures["serving_default"](tf.constant(ids))""",
}


def cold_start(paths: dict[str, str], words: list[str], rounds: int) -> None:
    """From the start of a process to the probabilities of one headline."""
    seconds: dict[str, list[float]] = {name: [] for name in COLD}
    for _ in range(rounds):
        for name, program in COLD.items():
            started = time.perf_counter()
            command = [sys.executable, "-c", program.format(**paths, words=words)]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - started)
    medians_of = {name: statistics.median(of_peer) for name, of_peer in seconds.items()}
    first = next(iter(medians_of.values()))
    show_table(
        ("cold start", "seconds", "ratio"),
        [(name, f"{median:.2f}", f"{median / first:.1f}") for name, median in medians_of.items()],
    )


def growth(preset: Preset, train: Tokens, tokens: Tokens, rounds: int) -> None:
    """How the cost of `PackedScorer` grows with rows, words a row, and units."""
    words = [word for row in train for word in row]
    scorer = PackedScorer(random_bundle(preset, train))
    many = [list(row) for row in (*tokens, *train)]
    by_rows = {rows: (scorer, many * 4, rows) for rows in (1000, 5000, 10000, 20000)}
    uncut = PackedScorer(random_bundle(replace(preset, padded_length=None), train))
    by_words = {
        length: (uncut, [words[at : at + length] for at in range(0, 1000 * 40, 40)], 1000)
        for length in (10, 20, 40, 80)
    }
    by_units = {
        units: (PackedScorer(random_bundle(replace(preset, units=units), train)), many, 1000)
        for units in (16, 32, 64, 128)
    }
    rows = []
    for name, cases in (("headlines", by_rows), ("words", by_words), ("units", by_units)):
        seconds: dict[int, list[float]] = {case: [] for case in cases}
        for _ in range(rounds):
            for case, (tried, lists, count) in cases.items():
                rows_of_case = lists[:count]
                started = time.perf_counter()
                tried.predict(rows_of_case)
                seconds[case].append(time.perf_counter() - started)
        ms = {case: 1e3 * statistics.median(of_case) for case, of_case in seconds.items()}
        _, fit = straight_line(list(ms), list(ms.values()))
        cells = ", ".join(f"{case:,}: {median:.1f}" for case, median in ms.items())
        rows.append((name, cells, f"{fit:.4f}"))
    show_table(("with more", "ms", "R² of a straight line"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    presets = [name for name, preset in PRESETS.items() if len(preset.inputs) == 1]
    parser.add_argument("--preset", default="notebook", choices=presets)
    parser.add_argument("--rounds", type=positive, default=15)
    parser.add_argument("--headlines", type=positive, default=999)
    parser.add_argument(
        "--threads", type=positive, nargs="+", default=[1, 2], help="tried by each peer"
    )
    options = parser.parse_args()
    preset = PRESETS[options.preset]
    train = examples("train").token_lists
    tokens = examples("test").token_lists[: options.headlines]
    print(f"{machine()}; preset {preset.name}, {len(tokens)} headlines\n")
    with tempfile.TemporaryDirectory() as directory:
        bundle = random_bundle(preset, train)
        write_bundle(Path(directory, "bundle"), bundle)
        for format in ("onnx", "saved_model"):
            export_model(bundle, Path(directory, format), tokens[:50], format)
        paths = {
            "bundle": str(Path(directory, "bundle")),
            "onnx": str(Path(directory, "onnx", "model.onnx")),
            "saved_model": str(Path(directory, "saved_model", "saved_model")),
        }
        bundle_dir, onnx = Path(paths["bundle"]), Path(paths["onnx"])
        compare(bundle_dir, onnx, tokens, options.threads, options.rounds)
        compare_from_disk(paths, tokens, options.rounds)
        cold_start(paths, list(tokens[0]), min(5, options.rounds))
    growth(preset, train, tokens, min(7, options.rounds))


if __name__ == "__main__":
    main()
