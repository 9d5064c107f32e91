"""The stages, their versions, and the source files that decide their results.

Raise a stage's version when its result changes for the same inputs: artifacts of the version
before are then made anew. `tests/headlines/test_stages.py` fails when a file named here changes
and the record in `tests/headlines/stages.json` was not renewed.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline.

    Attributes:
        version: part of the key of every artifact the stage makes.
        modules: the modules whose code decides the result.
    """

    version: int
    modules: tuple[str, ...]


_READING = (
    "headlines.sources",
    "headlines.sources.delimited",
    "headlines.sources.jsonl",
    "headlines.sources.lines",
    "headlines.sources.parquet",
    "headlines.sources.record",
    "headlines.text",
)
_SEGMENTATION = (
    "headlines.segmentation.lac",
    "headlines.segmentation.lac_files",
    "headlines.segmentation.fast",
    "headlines.segmentation.segmenter",
    "headlines.segmentation.stock",
    "lstm_model.row_stable",
)
_MODEL = (
    "lstm_model.architecture",
    "lstm_model.bundle",
    "lstm_model.bundle_arrays",
    "lstm_model.bundle_files",
    "lstm_model.calibration",
    "lstm_model.gate_inputs",
    "lstm_model.inputs",
    "lstm_model.packed",
    "lstm_model.row_stable",
    "lstm_model.vocabulary",
)

STAGES = {
    "corpus": Stage(
        1,
        (
            *_READING,
            "headlines.inews",
            "headlines.corpus",
            "headlines.corpus_files",
            "headlines.corpus_flags",
            "headlines.corpus_parts",
            "headlines.corpus_reading",
            "headlines.rejects",
        ),
    ),
    "words": Stage(1, (*_SEGMENTATION, "headlines.token_cache")),
    "tokens": Stage(2, (*_SEGMENTATION, "headlines.token_cache", "headlines.tokens")),
    "pretrained": Stage(
        2,
        (
            *_SEGMENTATION,
            "headlines.pretraining",
            "lstm_model.inputs",
            "lstm_model.vocabulary",
            "lstm_model.word_vectors",
        ),
    ),
    "model": Stage(
        6,
        (
            "headlines.contents",
            "headlines.training",
            "lstm_model.batching",
            "lstm_model.cell",
            "lstm_model.classifier",
            "lstm_model.examples",
            "lstm_model.layer",
            "lstm_model.optimizer",
            "lstm_model.recurrence",
            "lstm_model.trainer",
            "lstm_model.training",
            "lstm_model.word_vectors",
            *_MODEL,
        ),
    ),
    # What training itself decides stands in the recipes of trials as the version of `model`.
    "trial": Stage(1, ("headlines.metrics", "headlines.sweep")),
    "sweep": Stage(1, ("headlines.sweep",)),
    "baseline": Stage(1, ("headlines.baseline", "headlines.contents", "headlines.training")),
    "evaluation": Stage(
        5,
        (
            "headlines.baseline",
            "headlines.behaviour",
            "headlines.comparison",
            "headlines.contents",
            "headlines.evaluation",
            "headlines.evaluation_tables",
            "headlines.held_out",
            "headlines.intervals",
            "headlines.label_errors",
            "headlines.metrics",
            "headlines.profile",
            "headlines.reliability",
            "headlines.reports.drawing",
            "headlines.reports.evaluation",
            "headlines.reports.model_card",
            "headlines.reports.model_charts",
            "headlines.reports.rendering",
            "headlines.slices",
            "headlines.spreadsheets",
            *_MODEL,
        ),
    ),
    "admitted": Stage(
        3,
        (
            *_READING,
            "headlines.admission",
            "headlines.batch_reading",
            "headlines.batch_rows",
            "headlines.rejects",
        ),
    ),
    "predictions": Stage(
        1,
        (
            *_SEGMENTATION,
            "headlines.contents",
            "headlines.profile",
            "headlines.scoring",
            "headlines.text",
            *_MODEL,
        ),
    ),
}
