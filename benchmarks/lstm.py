"""The layer and its training: `CustomLSTM` and `keras.layers.LSTM`.

    python -m benchmarks.lstm [--rounds 7] [--seeds 5] [--threads 1 2] [--rows ROWS]

Three parts. A gradient step of the layer alone, at the notebook's sizes (batch 32, 44 steps, 128
in, 32 units), and how it grows with batch, steps and units. An epoch of the notebook's classifier:
this project's `train` and `Model.fit` on batches padded to 44. And with `--seeds` the accuracy on
dev of both after the notebook's 20 epochs. Each peer has the number of threads it is fastest with.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

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
    spread,
    straight_line,
)
from lstm_model.examples import Examples, macro_f1, split
from lstm_model.presets import PRESETS
from lstm_model.vocabulary import Vocabulary

BATCH, STEPS, INPUT, UNITS = 32, 44, 128, 32
NOTEBOOK = PRESETS["notebook"]


# Functions that a peer calls in its own process; the returned function is timed.


@needs_tensorflow
def gradient_step(layer: str) -> Run:
    """Output, and gradients by the weights and the input, of one layer as a `tf.function`.

    `layer`: `keras`; `fused`, `CustomLSTM`; or `steps`, the same with `fused=False`: the six
    formulas of `LSTMCell.step` in a `tf.while_loop`, differentiated by TensorFlow.
    """
    import keras
    import tensorflow as tf

    from lstm_model.layer import CustomLSTM

    @cache
    def compiled(units: int) -> Callable[[Any], Any]:
        if layer == "keras":
            lstm = keras.layers.LSTM(units)
        else:
            lstm = CustomLSTM(units, fused=layer == "fused")
        lstm.build((None, None, INPUT))

        def step(x: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = lstm(x)
                loss = tf.reduce_sum(y * y)
            return tape.gradient(loss, [x, *[w.value for w in lstm.trainable_weights]])

        signature = [tf.TensorSpec((None, None, INPUT))]
        compiled_step: Callable[[Any], Any] = tf.function(step, input_signature=signature)
        return compiled_step

    def run(batch: int = BATCH, steps: int = STEPS, units: int = UNITS) -> None:
        compiled(units)(tf.random.stateless_normal((batch, steps, INPUT), seed=(0, 0)))

    return run


@needs_tensorflow
def our_epoch(train: Examples) -> Run:
    """An epoch of `train`, without its measurement on dev."""
    from lstm_model.trainer import Trainer

    vocabulary = Vocabulary.build(train.token_lists, NOTEBOOK.rules)
    one_row = Examples(train.token_lists[:1], train.labels[:1])
    trainer = Trainer(NOTEBOOK, [vocabulary], split(NOTEBOOK, train, None)[0], one_row)
    epochs = iter(range(1, 1000))
    return lambda: trainer.epoch(next(epochs))


@needs_tensorflow
def keras_epoch(train: Examples) -> Run:
    """An epoch of `Model.fit` on padded batches."""
    fit = keras_fit(train, seed=0)
    fit(1)  # traces
    return lambda steps_per_execution: fit(1, steps_per_execution)


def keras_fit(train: Examples, seed: int) -> Callable[..., Any]:
    import keras

    from benchmarks.keras_peer import keras_classifier

    keras.utils.set_random_seed(seed)
    vocabulary = Vocabulary.build(train.token_lists, NOTEBOOK.rules)
    model = keras_classifier(NOTEBOOK, len(vocabulary))
    compiled: list[int] = []
    rows = split(NOTEBOOK, train, None)[0]
    ids = vocabulary.encode(rows.token_lists, NOTEBOOK.padded_length)

    def fit(epochs: int, steps_per_execution: int = 1) -> Any:
        if compiled[-1:] != [steps_per_execution]:
            compiled.append(steps_per_execution)
            model.compile(
                keras.optimizers.Adam(NOTEBOOK.learning_rate),
                "sparse_categorical_crossentropy",
                steps_per_execution=steps_per_execution,
            )
        model.fit(ids, rows.labels, batch_size=NOTEBOOK.batch_size, epochs=epochs, verbose=0)
        return model, vocabulary

    return fit


@needs_tensorflow
def our_accuracy(train: Examples, dev: Examples) -> Run:
    """Accuracy and macro-F1 on dev after a training with a seed."""
    from lstm_model.packed import PackedScorer
    from lstm_model.training import train as run_training

    def run(seed: int) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as directory:
            trained = run_training(replace(NOTEBOOK, seed=seed), train, None, Path(directory))
        return figures(PackedScorer(trained).predict(dev.token_lists), dev)

    return run


@needs_tensorflow
def keras_accuracy(train: Examples, dev: Examples) -> Run:
    """The same of `Model.fit`."""

    def run(seed: int) -> tuple[float, float]:
        model, vocabulary = keras_fit(train, seed)(NOTEBOOK.epochs)
        ids = vocabulary.encode(dev.token_lists, NOTEBOOK.padded_length)
        return figures(model.predict(ids, verbose=0), dev)

    return run


def figures(probabilities: Any, dev: Examples) -> tuple[float, float]:
    predicted = probabilities.argmax(axis=1)
    return float(np.mean(predicted == dev.labels)), macro_f1(dev.labels, predicted)


# The measurements.


def layers(threads: Sequence[int], rounds: int) -> None:
    """A gradient step of each layer, and how it grows."""
    names = {
        "this project, `CustomLSTM`": "fused",
        "`keras.layers.LSTM`": "keras",
        "`CustomLSTM(fused=False)`": "steps",
    }
    chosen = []
    for name, layer in names.items():
        peers = [Peer(name, count, gradient_step, layer=layer) for count in threads]
        chosen.append(choose([(peer, {}) for peer in peers], 15)[0])
    seconds = medians([(peer, {}) for peer in chosen], 10 * rounds)
    show_table(
        ("a gradient step", "threads", "ms", "ratio", "peak memory, MiB"),
        [
            (
                peer.name,
                str(peer.threads),
                f"{1e3 * median:.2f}",
                f"{median / seconds[0]:.2f}",
                f"{peer.peak_memory() / 2**20:.0f}",
            )
            for peer, median in zip(chosen, seconds, strict=True)
        ],
    )
    rows = []
    for name, values in (
        ("batch", (32, 128, 256, 512)),
        ("steps", (22, 44, 88, 176)),
        ("units", (16, 32, 64, 128)),
    ):
        runs = [(peer, {name: value}) for peer in chosen[:2] for value in values]
        for peer, options in runs:
            peer.seconds(**options)  # traces
        seconds = medians(runs, 3 * rounds)
        for index, peer in enumerate(chosen[:2]):
            of_peer = seconds[index * len(values) : (index + 1) * len(values)]
            ms = [1e3 * median for median in of_peer]
            _, fit = straight_line(values, ms)
            cells = ", ".join(f"{v}: {median:.1f}" for v, median in zip(values, ms, strict=True))
            rows.append((f"{name}, {peer.name}", cells, f"{fit:.4f}"))
    show_table(("with more", "ms", "R² of a straight line"), rows)
    for peer in chosen:
        peer.close()


def choose(runs: Sequence[PeerRun], rounds: int) -> PeerRun:
    """The fastest of `runs`; the other peers end."""
    for peer, options in runs:
        peer.seconds(**options)  # traces
    best = fastest(runs, rounds)
    for peer, _ in runs:
        if peer is not best[0]:
            peer.close()
    return best


def epochs(train: Examples, threads: Sequence[int], rounds: int) -> None:
    """An epoch at the notebook's sizes."""
    steps: list[dict[str, Any]] = [{"steps_per_execution": count} for count in (1, 16)]
    best = []
    for name, prepare, choices in (
        ("this project, `train`", our_epoch, [{}]),
        ("`Model.fit`, `keras.layers.LSTM`", keras_epoch, steps),
    ):
        peers = [Peer(name, count, prepare, train=train) for count in threads]
        best.append(choose([(peer, best_options(peer, choices, 2)) for peer in peers], 2))
    seconds = medians(best, rounds)
    show_table(
        ("an epoch", "threads", "seconds", "ratio", "peak memory, MiB"),
        [
            (
                f"{peer.name}{f', {chosen}' if chosen else ''}",
                str(peer.threads),
                f"{median:.2f}",
                f"{median / seconds[0]:.1f}",
                f"{peer.peak_memory() / 2**20:.0f}",
            )
            for (peer, chosen), median in zip(best, seconds, strict=True)
        ],
    )
    for peer, _ in best:
        peer.close()


def accuracies(train: Examples, dev: Examples, seeds: int) -> None:
    """Whether the faster training is as accurate: dev, after 20 epochs, mean and spread."""
    inputs = {"train": train, "dev": dev}
    cores = len(os.sched_getaffinity(0))
    rows = []
    for name, prepare in (
        ("this project, `train`", our_accuracy),
        ("`Model.fit`", keras_accuracy),
    ):
        peer = Peer(name, cores, prepare, **inputs)
        results = [peer.result(seed=seed) for seed in range(seeds)]
        cells = [
            f"{spread(values)} ({min(values):.3f} to {max(values):.3f})"
            for values in zip(*results, strict=True)
        ]
        rows.append((name, *cells))
        peer.close()
    show_table((f"{seeds} seeds", "dev accuracy", "dev macro-F1"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=positive, default=7)
    parser.add_argument("--seeds", type=positive, help="trainings of each (default: none)")
    parser.add_argument(
        "--threads", type=positive, nargs="+", default=[1, 2], help="tried by each peer"
    )
    parser.add_argument("--rows", type=positive, help="of train, the first ones (default: all)")
    options = parser.parse_args()
    print(f"{machine()}\n")
    layers(options.threads, options.rounds)
    train = examples("train", options.rows)
    epochs(train, options.threads, options.rounds)
    if options.seeds:
        accuracies(train, examples("dev"), options.seeds)


if __name__ == "__main__":
    main()
