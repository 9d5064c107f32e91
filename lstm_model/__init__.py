"""The network: `CustomLSTM`, the classifier around it, its training, and a packed scorer.

Importing this package loads nothing heavy. `PackedScorer` needs NumPy and safetensors; TensorFlow
is loaded by the first use of `CustomLSTM`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstm_model.layer import CustomLSTM
    from lstm_model.packed import PackedScorer

__all__ = ["CustomLSTM", "PackedScorer"]

_MODULES = {"CustomLSTM": "lstm_model.layer", "PackedScorer": "lstm_model.packed"}


def __getattr__(name: str) -> Any:  # PEP 562
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
