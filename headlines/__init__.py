"""The domain of the batch job, in plain Python: `segment` and `predict` are for other programs.

Importing this package loads neither Prefect nor TensorFlow, nor jieba before something is cut.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headlines.scoring.predict import predict
    from headlines.segmentation import segment

__all__ = ["predict", "segment"]


def __getattr__(name: str) -> Any:  # PEP 562: loaded when first used
    if name == "predict":
        from headlines.scoring.predict import predict

        return predict
    if name == "segment":
        from headlines.segmentation import segment

        return segment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
