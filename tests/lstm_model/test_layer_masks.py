"""Masked steps of `CustomLSTM`."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from .layers import BATCH, INPUT, MASK, TIME, UNITS, X, built, textbook


@pytest.mark.parametrize("go_backwards", [False, True])
def test_masked_steps_have_no_effect(go_backwards) -> None:
    layer = built(return_sequence=True, go_backwards=go_backwards)
    direction = -1 if go_backwards else 1
    outputs = layer(X, mask=MASK).numpy()
    for row, mask, given in zip(X, MASK, outputs, strict=True):
        left = textbook(layer, row[mask][None, ::direction])[0]
        read = np.cumsum(mask[::direction])  # how many of the steps were read by then
        np.testing.assert_allclose(given, np.r_[np.zeros((1, UNITS)), left][read], atol=1e-6)


@pytest.mark.parametrize("go_backwards", [False, True])
def test_padding_changes_no_bit(go_backwards) -> None:
    layer = built(go_backwards=go_backwards)
    padded = np.concatenate([X, np.full((BATCH, 4, INPUT), 9, dtype=np.float32)], axis=1)
    mask = np.arange(TIME + 4) < TIME
    masked = layer(padded, mask=np.broadcast_to(mask, (BATCH, TIME + 4)))
    np.testing.assert_array_equal(masked, layer(X))


@pytest.mark.parametrize("kind", ["int32", "uint8", "float32"])
def test_mask_may_be_zeros_and_ones(kind) -> None:
    layer = built(return_sequence=True)
    expected = layer(X, mask=MASK)
    np.testing.assert_array_equal(layer(X, mask=MASK.astype(kind)), expected)
    np.testing.assert_array_equal(layer(X, mask=tf.constant(MASK.astype(kind))), expected)


@pytest.mark.parametrize("state", [None, [np.ones((1, UNITS), np.float32)] * 2])
def test_mask_of_an_embedding_is_used(state) -> None:
    embedding = keras.layers.Embedding(9, INPUT, mask_zero=True)
    layer = built()
    padded, bare = (embedding(tf.constant([ids])) for ids in ([3, 4, 0, 0], [3, 4]))
    np.testing.assert_allclose(
        layer(padded, initial_state=state), layer(bare, initial_state=state), atol=1e-7
    )


@pytest.mark.parametrize("go_backwards", [False, True])
def test_next_layer_gets_the_mask_in_reading_order(go_backwards) -> None:
    embedding = keras.layers.Embedding(9, INPUT, mask_zero=True)
    below = built(units=INPUT, return_sequence=True, go_backwards=go_backwards)
    above = built()
    model = keras.Sequential([embedding, below, above])
    padded, bare = tf.constant([[3, 4, 0, 0]]), tf.constant([[3, 4]])
    np.testing.assert_allclose(above(below(embedding(padded))), model(bare), atol=1e-7)
    np.testing.assert_allclose(model(padded), model(bare), atol=1e-7)
