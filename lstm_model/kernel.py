"""The kernels of the packed scorer: compiled ones where there are any, and NumPy.

`_kernel.c` is compiled by the installation, if there is a C compiler. What it makes has up to three
kernels, of which a processor runs those that it has the instructions for: `avx512`, `avx2` and
`portable`. Probabilities by different kernels are equal within 1e-6.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from lstm_model.numpy_kernel import Ints, NumPyKernel
from lstm_model.presets import Pooling
from lstm_model.row_stable import Floats

try:
    from lstm_model import _kernel
except ImportError:  # there was no compiler
    _COMPILED: tuple[str, ...] = ()
else:
    _COMPILED = _kernel.VARIANTS


class Kernel(Protocol):
    """Products and recurrence in which a row gets the same bits whatever the other rows are."""

    name: str

    def affine(self, x: Floats, w: Floats, b: Floats) -> Floats:
        """`x w + b` of `x` `(rows, n)`, `w` `(n, m)` and `b` `(m,)`: `(rows, m)`."""

    def pooled(
        self,
        table: Floats,
        u: Floats,
        ids: Ints,
        first: Ints,
        stride: int,
        steps: Ints,
        pooling: Pooling,
    ) -> Floats:
        """The pooled outputs of an LSTM: `(1, rows, units)` the last ones, or `(2, rows, units)`.

        The formulas are those of `cell.py`, the gates as in `GATES`. A row without steps gets
        zeros.

        Args:
            table: gate inputs `(words, 4*units)` of the word of each id; see `gate_inputs`.
            u: recurrent weights `(units, 4*units)`; see `stack_gates`.
            ids: of the words of all rows.
            first: a row reads `ids` from its position here on, `(rows,)`,
            stride: by 1 or -1,
            steps: as many times, `(rows,)`, descending.
            pooling: of the outputs: the last, or the maximum and the mean over the steps.
        """


class CompiledKernel:
    """See `Kernel`; in C.

    Raises:
        IndexError: an id is not one of the table's, or a row reads beyond the ids.
        ValueError: shapes do not match.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def affine(self, x: Floats, w: Floats, b: Floats) -> Floats:
        out = np.empty((len(x), w.shape[1]), dtype=np.float32)
        _kernel.affine(self.name, _floats(x), _floats(w), _floats(b), out)
        return out

    def pooled(
        self,
        table: Floats,
        u: Floats,
        ids: Ints,
        first: Ints,
        stride: int,
        steps: Ints,
        pooling: Pooling,
    ) -> Floats:
        max_mean = pooling == "max_mean"
        out = np.empty((2 if max_mean else 1, len(steps), len(u)), dtype=np.float32)
        ids, first, steps = (np.ascontiguousarray(a, dtype=np.int64) for a in (ids, first, steps))
        _kernel.recurrence(
            self.name, _floats(table), _floats(u), ids, first, stride, steps, max_mean, out
        )
        return out


def _floats(array: Floats) -> Floats:
    return np.ascontiguousarray(array, dtype=np.float32)


# By name, the fastest first.
KERNELS: dict[str, Kernel] = {
    **{name: CompiledKernel(name) for name in _COMPILED},
    NumPyKernel.name: NumPyKernel(),
}
FASTEST = next(iter(KERNELS))
