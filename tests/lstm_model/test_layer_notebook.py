"""The cells of the notebook that the layer comes from run with `CustomLSTM`."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from lstm_model import CustomLSTM


def classifier(*below) -> keras.Sequential:
    """The notebook's model, compiled as there."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([*below, CustomLSTM(32), keras.layers.Dense(2, activation="softmax")])
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def test_notebook_random_batch() -> None:
    batch = np.random.default_rng(0).standard_normal((4, 5, 30)).astype(np.float32)
    labels = np.array([0, 1, 1, 0])
    assert CustomLSTM(32)(batch).shape == (4, 32)
    model = classifier()
    before, _ = model.train_on_batch(batch, labels)
    model.fit(batch, labels, batch_size=4, epochs=30, verbose=0)
    after, accuracy = model.evaluate(batch, labels, verbose=0)
    assert after < before / 2
    assert accuracy == 1


def test_notebook_headlines_as_ids_and_as_vectors(tmp_path: Path) -> None:
    values = np.random.default_rng(0)
    labels = values.integers(0, 2, 24)
    ids = np.zeros((24, 44), int)  # padded to 44, and the second word gives the label away
    for row, label in zip(ids, labels, strict=True):
        row[: values.integers(3, 12)] = values.integers(3, 60)
        row[1] = 1 + label
    embedding = keras.layers.Embedding(60, 128)
    model = classifier(embedding)
    before, _ = model.evaluate(ids, labels, verbose=0)
    model.fit(ids, labels, batch_size=4, epochs=1, verbose=0)
    assert model.evaluate(ids, labels, verbose=0)[0] < before

    embedded = embedding(ids)
    on_vectors = classifier()
    on_vectors.fit(embedded, labels, batch_size=4, epochs=1, verbose=0)
    on_vectors.set_weights(model.get_weights()[1:])
    probabilities = model.predict(ids, verbose=0)
    np.testing.assert_allclose(on_vectors.predict(embedded, verbose=0), probabilities, atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)

    lines: list[str] = []
    model.summary(print_fn=lambda text, **_: lines.append(text))
    assert "20,608" in "\n".join(lines)  # 4 * (128*32 + 32*32 + 32)
