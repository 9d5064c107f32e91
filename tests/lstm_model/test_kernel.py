"""The kernels of the packed scorer, held against formulas in float64 and against each other."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest

from lstm_model.kernel import FASTEST, KERNELS, Kernel
from lstm_model.presets import Pooling

POOLINGS: tuple[Pooling, ...] = ("last", "max_mean")
COMPILED = [name for name in KERNELS if name != "numpy"]
needs_compiled = pytest.mark.skipif(not COMPILED, reason="there was no compiler")
IDS = np.zeros(4, dtype=np.int64)


class Rows(NamedTuple):
    """Arguments of `Kernel.pooled`."""

    table: np.ndarray
    u: np.ndarray
    ids: np.ndarray
    first: np.ndarray
    stride: int
    steps: np.ndarray

    def pooled(self, kernel: Kernel | str, pooling: Pooling) -> np.ndarray:
        return (KERNELS[kernel] if isinstance(kernel, str) else kernel).pooled(*self, pooling)

    def select(self, rows) -> Rows:
        return self._replace(first=self.first[rows], steps=self.steps[rows])


def random_rows(units: int, lengths, stride: int = 1, scale: float = 0.5, words: int = 50) -> Rows:
    rng = np.random.default_rng(units)
    steps = np.array(sorted(lengths, reverse=True), dtype=np.int64)
    first = np.cumsum(steps) - steps
    return Rows(
        rng.standard_normal((words, 4 * units), np.float32),
        rng.standard_normal((units, 4 * units), np.float32) * np.float32(scale / units**0.5),
        rng.integers(0, words, steps.sum()),
        first if stride == 1 else first + steps - 1,
        stride,
        steps,
    )


def in_float64(rows: Rows, pooling: Pooling) -> np.ndarray:
    """The formulas of `cell.py`, row by row; f, i and o have half of z in table and u."""
    results = []
    for first, steps in zip(rows.first, rows.steps, strict=True):
        h = c = np.zeros(len(rows.u))
        outputs = []
        for t in range(steps):
            x = rows.table[rows.ids[first + rows.stride * t]].astype(np.float64)
            f, i, o, g = np.split(np.tanh(x + h @ rows.u.astype(np.float64)), 4)
            c = (f + 1) / 2 * c + (i + 1) / 2 * g
            h = (o + 1) / 2 * np.tanh(c)
            outputs.append(h)
        if pooling == "last":
            results.append([h])
        else:
            results.append([np.max(outputs or [h], axis=0), np.mean(outputs or [h], axis=0)])
    return np.array(results).swapaxes(0, 1)


@pytest.mark.parametrize(("name", "pooling"), list(product(KERNELS, POOLINGS)))
@pytest.mark.parametrize("stride", [1, -1])
@pytest.mark.parametrize("units", [1, 5, 16, 17, 32, 63, 64, 100])
def test_outputs_match_the_formulas(name, pooling, stride, units) -> None:
    rows = random_rows(units, [0, 0, 1, 1, 2, 3, 3, 5, 8, 13, 21, 60], stride)
    pooled = rows.pooled(name, pooling)
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, in_float64(rows, pooling), rtol=0, atol=3e-6)
    assert not pooled[:, rows.steps == 0].any()


@needs_compiled
@pytest.mark.parametrize("name", COMPILED)
@pytest.mark.parametrize("count", [0, 1, 2, 5, 6, 7, 23, 24, 25, 100])
def test_any_number_of_rows_matches_numpy(name, count) -> None:
    rows = random_rows(20, np.random.default_rng(count).integers(0, 20, count))
    expected = rows.pooled("numpy", "max_mean")
    assert expected.shape == (2, count, 20)
    np.testing.assert_allclose(rows.pooled(name, "max_mean"), expected, rtol=0, atol=1e-6)


@needs_compiled
@pytest.mark.parametrize(("name", "pooling"), list(product(COMPILED, POOLINGS)))
@pytest.mark.parametrize("units", [5, 64])
def test_bits_of_a_row_depend_on_no_other_row(name, pooling, units) -> None:
    rows = random_rows(units, np.random.default_rng(3).integers(0, 15, 80))
    together = rows.pooled(name, pooling)
    np.testing.assert_array_equal(rows.pooled(name, pooling), together)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(80)[: 80 - 7 * seed]
        np.testing.assert_array_equal(rows.select(order).pooled(name, pooling), together[:, order])
    for row in range(80):
        alone = rows.select([row]).pooled(name, pooling)
        np.testing.assert_array_equal(alone, together[:, [row]])


@needs_compiled
@pytest.mark.parametrize("name", COMPILED)
@pytest.mark.parametrize(("inner", "columns"), [(1, 1), (128, 256), (7, 65), (256, 3), (9, 64)])
def test_products_match_float64_in_any_order(name, inner, columns) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((421, inner), np.float32)
    w, b = rng.standard_normal((inner, columns), np.float32), np.arange(columns, dtype=np.float32)
    out = KERNELS[name].affine(x, w, b)
    np.testing.assert_allclose(out, x.astype(np.float64) @ w + b, rtol=1e-5, atol=1e-4)
    order = rng.permutation(421)[:400]
    np.testing.assert_array_equal(KERNELS[name].affine(x[order], w, b), out[order])
    np.testing.assert_array_equal(KERNELS[name].affine(x[:1], w, b), out[:1])
    assert KERNELS[name].affine(x[:0], w, b).shape == (0, columns)


@needs_compiled
@pytest.mark.parametrize("name", COMPILED)
def test_tanh_is_as_exact_as_its_comment_says(name) -> None:
    z = np.concatenate([np.linspace(-12, 12, 200_001), [-1e30, 1e30, -np.inf, np.inf, 1e-30]])
    table = np.full((len(z), 4), 50, dtype=np.float32)  # i and o are 1
    table[:, 3] = z
    steps, ids = np.ones(len(z), dtype=np.int64), np.arange(len(z))
    rows = Rows(table, np.zeros((1, 4), dtype=np.float32), ids, ids, 1, steps)
    exact = np.tanh(np.tanh(table[:, 3].astype(np.float64)))
    difference = np.abs(rows.pooled(name, "last")[0, :, 0] - exact)
    assert difference.max() < 6e-7  # that of tanh in each of two, whose slope is at most 1, and o's


@needs_compiled
@pytest.mark.parametrize(("name", "pooling"), list(product(COMPILED, POOLINGS)))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_numbers_that_are_not_finite_go_where_numpys_do(name, pooling, value) -> None:
    for changed, at in (("table", (7, 3)), ("table", (7, 70)), ("u", (2, 30)), ("u", (19, 79))):
        rows = random_rows(20, [0, 1, 2, 3, 5, 8, 13, 13])
        getattr(rows, changed)[at] = value
        expected, pooled = rows.pooled("numpy", pooling), rows.pooled(name, pooling)
        np.testing.assert_array_equal(np.isnan(pooled), np.isnan(expected))
        np.testing.assert_allclose(pooled, expected, rtol=0, atol=1e-6)


@needs_compiled
@pytest.mark.parametrize("name", COMPILED)
def test_ids_and_positions_out_of_range_are_refused(name) -> None:
    rows = random_rows(5, [4, 3, 1])
    for bad in (-1, 50, 2**62, -(2**62)):
        ids = rows.ids.copy()
        ids[-1] = bad
        with pytest.raises(IndexError, match="not one of the table's"):
            rows._replace(ids=ids).pooled(name, "last")
    with pytest.raises(IndexError, match="not one of the table's"):
        rows._replace(table=rows.table[:0]).pooled(name, "last")
    beyond = [
        {"first": first} for first in ([0, 4, 8], [0, -1, 7], [2**62, 4, 7], [0, -(2**63), 7])
    ]
    beyond += [{"steps": steps} for steps in ([4, 3, 2], [9, 1, 1], [2**63 - 1, 1, 1], [4, 3, -1])]
    beyond += [{"stride": -1}, {"ids": rows.ids[:7]}]
    for fields in beyond:
        arrays = {key: np.array(v) if key != "stride" else v for key, v in fields.items()}
        with pytest.raises(IndexError, match="reads beyond the ids"):
            rows._replace(**arrays).pooled(name, "last")
    nothing = rows._replace(first=np.array([-5, 900, 0]), steps=np.array([0, 0, 0]))
    assert not nothing.pooled(name, "last").any()


@needs_compiled
def test_arrays_of_wrong_shapes_and_types_are_refused() -> None:
    from lstm_model import _kernel

    rows = random_rows(5, [4, 3, 1])
    out = np.empty((1, 3, 5), dtype=np.float32)
    good = [FASTEST, rows.table, rows.u, rows.ids, rows.first, 1, rows.steps, False, out]
    _kernel.recurrence(*good)
    wrong = [
        (0, "mmx"),
        (1, rows.table[:, :-1].copy()),
        (1, rows.table[:, ::-1]),
        (1, rows.table.astype(np.float64)),
        (1, rows.table.astype(">f4")),
        (1, rows.table.view(np.int32)),
        (1, rows.table.ravel()),
        (2, rows.u[:4].copy()),
        (2, rows.u[:, :16].copy()),
        (3, rows.ids.astype(np.int32)),
        (3, rows.ids.astype(np.uint64)),
        (3, np.repeat(rows.ids, 2)[::2]),
        (4, rows.first[:2].copy()),
        (5, 2),
        (5, 0),
        (6, rows.steps[:, None]),
        (7, True),  # `out` would need two arrays
        (8, out[:, :2].copy()),
        (8, out[0]),
        (8, out.astype(np.float64)),
        (8, out.tobytes()),
    ]
    for position, value in wrong:
        with pytest.raises((ValueError, BufferError)):
            _kernel.recurrence(*[value if n == position else a for n, a in enumerate(good)])
    x, w, b = np.ones((3, 4), np.float32), np.ones((4, 2), np.float32), np.ones(2, np.float32)
    for bad in ((x[:, :3].copy(), w, b), (x, w.T, b), (x, w, b[:1]), (x.astype(int), w, b)):
        with pytest.raises((ValueError, BufferError)):
            _kernel.affine(FASTEST, *bad, np.empty((3, 2), np.float32))
    read_only = np.empty((3, 2), np.float32)
    read_only.flags.writeable = False
    with pytest.raises((ValueError, BufferError)):
        _kernel.affine(FASTEST, x, w, b, read_only)
    with pytest.raises(TypeError):
        _kernel.affine(FASTEST, x, w, b)
    with pytest.raises(TypeError):
        _kernel.affine(FASTEST, [1.0], w, b, np.empty((3, 2), np.float32))


@pytest.mark.parametrize("name", KERNELS)
def test_threads_get_the_same_bits(name) -> None:
    rows = random_rows(32, [9] * 300)
    expected = rows.pooled(name, "max_mean")
    with ThreadPoolExecutor(4) as pool:
        for pooled in pool.map(lambda _: rows.pooled(name, "max_mean"), range(16)):
            np.testing.assert_array_equal(pooled, expected)


def test_numpy_scores_where_nothing_was_compiled(make_bundle, tmp_path) -> None:
    from lstm_model import PackedScorer
    from lstm_model.bundle import write_bundle

    write_bundle(tmp_path, make_bundle())
    code = (
        "import sys\n"
        "sys.modules['lstm_model._kernel'] = None\n"
        "from lstm_model import PackedScorer\n"
        "from lstm_model.kernel import KERNELS\n"
        "assert list(KERNELS) == ['numpy']\n"
        f"scorer = PackedScorer.load({str(tmp_path)!r})\n"
        "print(scorer.kernel, scorer.predict([['股市', '大涨']]).tolist())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = PackedScorer.load(tmp_path, kernel="numpy").predict([["股市", "大涨"]])
    assert done.stdout.split("\n")[0] == f"numpy {expected.tolist()}"
