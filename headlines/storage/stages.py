"""The stages, their versions, and the source files that decide their results.

Raise a stage's version when its result changes for the same inputs: artifacts of the version
before are then rebuilt. `tests/headlines/storage/test_stages.py` fails when a file named here
changes and the record next to the test, `stages.json`, was not renewed.
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
    "headlines.readers",
    "headlines.readers.common_characters",
    "headlines.readers.delimited",
    "headlines.readers.encodings",
    "headlines.readers.jsonl",
    "headlines.readers.text_lines",
    "headlines.readers.pandas_index",
    "headlines.readers.parquet",
    "headlines.readers.read_options",
    "headlines.readers.record",
    "headlines.readers.row_warnings",
    "headlines.readers.titles",
)
_SEGMENTATION = (
    "headlines.segmentation.lac",
    "headlines.segmentation.lac_weights",
    "headlines.segmentation.rust_jieba",
    "headlines.segmentation.segmenter",
    "headlines.segmentation.python_jieba",
    "headlines.segmentation.user_dictionary",
    "lstm_model.joined_tokens",
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
    "lstm_model.joined_tokens",
    "lstm_model.kernel",
    "lstm_model.linear",
    "lstm_model.normal_forms",
    "lstm_model.numpy_kernel",
    "lstm_model.packed",
    "lstm_model.packed_table",
    "lstm_model.row_stable",
    "lstm_model.vocabulary",
)

STAGES = {
    "corpus": Stage(
        2,
        (
            *_READING,
            "headlines.corpus.inews",
            "headlines.corpus.ingest",
            "headlines.corpus.source_files",
            "headlines.corpus.source_rows",
            "headlines.corpus.soft_labels",
            "headlines.corpus.flags",
            "headlines.corpus.write_files",
            "headlines.corpus.read_files",
            "headlines.readers.rejects",
        ),
    ),
    "labelled corpus": Stage(1, ("headlines.corpus.with_labels",)),
    "words": Stage(2, (*_SEGMENTATION, "headlines.corpus.token_cache")),
    "tokens": Stage(
        4,
        (
            *_SEGMENTATION,
            "headlines.corpus.token_cache",
            "headlines.corpus.tokens",
            "headlines.readers.titles",
        ),
    ),
    "pretrained": Stage(
        4,
        (
            *_SEGMENTATION,
            "headlines.readers.titles",
            "headlines.training.pretrain",
            "lstm_model.inputs",
            "lstm_model.normal_forms",
            "lstm_model.packed_table",
            "lstm_model.vocabulary",
            "lstm_model.word_vectors",
        ),
    ),
    "model": Stage(
        6,
        (
            "headlines.corpus.examples",
            "headlines.segmentation.article_words",
            "headlines.training.train",
            "lstm_model.batching",
            "lstm_model.cell",
            "lstm_model.classifier",
            "lstm_model.examples",
            "lstm_model.layer",
            "lstm_model.linear_training",
            "lstm_model.optimizer",
            "lstm_model.recurrence",
            "lstm_model.trainer",
            "lstm_model.training",
            "lstm_model.word_vectors",
            *_MODEL,
        ),
    ),
    # What training itself decides stands in the recipes of trials and folds as the version of
    # `model`.
    "trial": Stage(1, ("headlines.metrics.classification", "headlines.training.measure")),
    "sweep": Stage(1, ("headlines.training.sweep", "headlines.training.trial")),
    "fold": Stage(1, ("headlines.corpus.examples", "headlines.training.measure")),
    "folds": Stage(
        1,
        (
            "headlines.metrics.bootstrap",
            "headlines.metrics.calibration",
            "headlines.metrics.classification",
            "headlines.metrics.label_errors",
            "headlines.training.folds",
        ),
    ),
    "baseline": Stage(
        2,
        (
            "headlines.corpus.examples",
            "headlines.evaluation.baseline",
            "headlines.segmentation.article_words",
        ),
    ),
    "evaluation": Stage(
        8,
        (
            "headlines.readers.titles",
            "headlines.evaluation.baseline",
            "headlines.evaluation.behaviour",
            "headlines.segmentation.article_words",
            "headlines.evaluation.evaluate",
            "headlines.evaluation.tables",
            "headlines.evaluation.held_out",
            "headlines.metrics.bootstrap",
            "headlines.metrics.label_errors",
            "headlines.metrics.classification",
            "headlines.metrics.profile",
            "headlines.metrics.calibration",
            "headlines.reports.drawing",
            "headlines.evaluation.report",
            "headlines.models.card",
            "headlines.reports.charts",
            "headlines.reports.messages",
            "headlines.reports.rendering",
            "headlines.metrics.slices",
            "headlines.reports.spreadsheet",
            *_MODEL,
        ),
    ),
    "admitted": Stage(
        5,
        (
            *_READING,
            "headlines.readers.byte_window",
            "headlines.readers.plain_json",
            "headlines.readers.plain_lines",
            "headlines.readers.row_block",
            "headlines.scoring.admission",
            "headlines.scoring.prepare",
            "headlines.scoring.chunks",
            "headlines.scoring.read_files",
            "headlines.scoring.rows",
            "headlines.readers.rejects",
        ),
    ),
    "predictions": Stage(
        4,
        (
            *_SEGMENTATION,
            "headlines.segmentation.article_words",
            "headlines.metrics.profile",
            "headlines.scoring.commit",
            "headlines.scoring.score_chunks",
            "headlines.readers.many_titles",
            "headlines.readers.titles",
            *_MODEL,
        ),
    ),
    "review": Stage(
        1,
        (
            "headlines.review.ask",
            "headlines.review.near_duplicates",
            "headlines.review.selection",
            "headlines.review.sheet",
        ),
    ),
    "labels": Stage(
        1,
        (
            "headlines.labels",
            "headlines.review.sheet",
            "headlines.review.take_labels",
            "headlines.review.votes",
        ),
    ),
}
