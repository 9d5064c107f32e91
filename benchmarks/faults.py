"""What each fault of the notebook's layer costs in accuracy.

    python -m benchmarks.faults [--seeds 3] [--rows ROWS]

Each variant is `CustomLSTM` with a fault put back, trained as the notebook trains: the sizes of
its preset, rows padded to 44 ids, `Model.fit` over 20 epochs of shuffled batches of 32, without the
last tenth of train; but with `LazyAdam` instead of Keras' Adam, as everywhere in this project.
Figures are of dev after the last epoch. The test split is not read.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.inews import examples
from benchmarks.measure import machine, positive, show_table
from lstm_model.architecture import CLASSES
from lstm_model.examples import Examples, macro_f1, split
from lstm_model.layer import CustomLSTM
from lstm_model.optimizer import LazyAdam
from lstm_model.presets import PRESETS
from lstm_model.vocabulary import PADDING, Vocabulary

Tensor = Any
NOTEBOOK = PRESETS["notebook"]


@dataclass(frozen=True)
class Faults:
    """What a layer does wrong.

    Attributes:
        first_token: every step reads x(0) instead of x(t).
        without_u: the recurrent weights are zero and stay zero, as if no formula used them.
        steps: the number of steps, whatever the length of the row, from a global variable; the
            padding is read too. None: the row's own length, the padding masked.
    """

    first_token: bool = False
    without_u: bool = False
    steps: int | None = None


VARIANTS = {
    "`CustomLSTM`, padding masked": Faults(),
    "the first token at every step": Faults(first_token=True),
    "without `uf ui uo uc`": Faults(without_u=True),
    "44 steps, padding read": Faults(steps=44),
    # The notebook's earlier cell, a random batch of shape (4, 5, 30), leaves the global at 5.
    "5 steps": Faults(steps=5),
    "all three: the first token, 44 times, without `u`": Faults(True, True, 44),
}


class FaultyLSTM(CustomLSTM):
    """`CustomLSTM` with `faults`."""

    def __init__(self, output_size: int, faults: Faults) -> None:
        super().__init__(output_size)
        self.faults = faults

    def _weight(self, name: str, rows: int | None, initializer: str) -> Tensor:
        if self.faults.without_u and name.startswith("u"):
            shape = (rows, self.output_size)
            return self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)
        return super()._weight(name, rows, initializer)

    def call(
        self,
        sequences: Tensor,
        initial_state: Sequence[Tensor] | None = None,
        mask: Tensor = None,
        training: bool = False,
    ) -> Tensor:
        """The last output `(batch, output_size)` of `sequences` `(batch, time, input)`."""
        x = sequences
        if self.faults.steps is not None:
            x, mask = x[:, : self.faults.steps], None
        if self.faults.first_token:
            x = tf.repeat(x[:, :1], tf.shape(x)[1], axis=1)
            x.set_shape((None, None, sequences.shape[2]))
        return super().call(x, initial_state, mask, training)


def classifier(faults: Faults, vocabulary_size: int) -> Any:
    """Word ids `(batch, 44)` in, the probabilities of the classes `(batch, 3)` out."""
    ids = keras.Input((NOTEBOOK.padded_length,), dtype="int32")
    x = keras.layers.Embedding(vocabulary_size, NOTEBOOK.embedding_size)(ids)
    h = FaultyLSTM(NOTEBOOK.units, faults)(x, mask=keras.ops.not_equal(ids, PADDING))
    return keras.Model(ids, keras.layers.Dense(CLASSES, activation="softmax")(h))


def figures(faults: Faults, train: Examples, dev: Examples, seed: int) -> tuple[float, float]:
    """Accuracy and macro-F1 on dev after training with `seed`."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    vocabulary = Vocabulary.build(train.token_lists, NOTEBOOK.rules)
    model = classifier(faults, len(vocabulary))
    # LazyAdam does not run under XLA.
    optimizer = LazyAdam(NOTEBOOK.learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
    rows, _ = split(NOTEBOOK, train, None)
    model.fit(
        vocabulary.encode(rows.token_lists, NOTEBOOK.padded_length),
        rows.labels,
        batch_size=NOTEBOOK.batch_size,
        epochs=NOTEBOOK.epochs,
        verbose=0,
    )
    ids = vocabulary.encode(dev.token_lists, NOTEBOOK.padded_length)
    predicted = model.predict(ids, verbose=0).argmax(axis=1)
    return float(np.mean(predicted == dev.labels)), macro_f1(dev.labels, predicted)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=positive, default=3, help="trainings of each variant")
    parser.add_argument("--rows", type=positive, help="of train, the first ones (default: all)")
    options = parser.parse_args()
    tf.config.experimental.enable_op_determinism()
    train, dev = examples("train", options.rows), examples("dev")
    print(f"{machine()}\n", flush=True)
    rows = []
    for name, faults in VARIANTS.items():
        results = [figures(faults, train, dev, seed) for seed in range(options.seeds)]
        accuracies, scores = zip(*results, strict=True)
        spread = f"({min(accuracies):.3f} to {max(accuracies):.3f})"
        mean, f1 = statistics.fmean(accuracies), statistics.fmean(scores)
        rows.append((name, f"{mean:.3f} {spread}", f"{f1:.3f}"))
    neutral = np.ones(len(dev.labels), dtype=int)
    share, f1 = float(np.mean(dev.labels == neutral)), macro_f1(dev.labels, neutral)
    rows.append(("nothing read: always neutral", f"{share:.3f}", f"{f1:.3f}"))
    show_table((f"{options.seeds} seeds", "dev accuracy, mean (min to max)", "macro-F1"), rows)


if __name__ == "__main__":
    main()
