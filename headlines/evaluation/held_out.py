"""Predicts the labelled headlines of a corpus, file by file on the runner's workers.

A worker returns about 40 bytes a headline, without titles. Titles are read again, only for the rows
that are shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headlines.compute import executors
from headlines.corpus.tokens import require_segmenter
from headlines.errors import DamagedArtifact
from headlines.labels import LABELS
from headlines.metrics.profile import oov_rates
from headlines.models.scorers import cached_scorer, model_files_digest
from headlines.segmentation import Segmenter
from headlines.segmentation.article_words import article_tokens
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import DataFile

_BATCH_ROWS = 10_000  # whose words a worker holds in memory
_MIN_WORKER_ROWS = 20_000  # with fewer, a worker takes longer to start than it saves


@dataclass(frozen=True)
class PredictJob:
    """One file of a corpus to predict: small plain data that is sent to a worker.

    Attributes:
        root: the data root.
        corpus: name and key of the corpus.
        tokens: the same of its tokens, whose files have the same names and rows.
        file: name of the file in both.
        model: version of the model.
        model_files: digest of that version's files.
        fingerprint: of the segmenter that made the tokens.
        segmenter: segments the articles, where the model reads them.
    """

    root: DataRoot
    corpus: tuple[str, str]
    tokens: tuple[str, str]
    file: str
    model: str
    model_files: str
    fingerprint: Mapping[str, Any]
    segmenter: Segmenter


class PartPredictions(NamedTuple):
    """The predictions for the labelled headlines of one file, in order.

    Attributes:
        row: position in the corpus, int64 (rows,).
        label: true label, int8 (rows,).
        prediction: predicted label, int8 (rows,).
        leaked: whether the title is also in train, bool (rows,).
        length: characters of the title, int32 (rows,).
        unknown: share of words unknown to the model, float64 (rows,).
        probabilities: float32 (rows, classes).
    """

    row: npt.NDArray[np.int64]
    label: npt.NDArray[np.int8]
    prediction: npt.NDArray[np.int8]
    leaked: npt.NDArray[np.bool_]
    length: npt.NDArray[np.int32]
    unknown: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True)
class HeldOutPredictions:
    """The predictions for all labelled headlines of some splits.

    Attributes:
        predictions: one row for each headline: `split`, `row`, `label`, `prediction`, `probability`
            (of the prediction), one `p_…` for each class, `unknown` (share of words unknown to the
            model), `correct`, `leaked`, `length` (characters).
        files: the corpus files of these headlines with their number of rows, in the same order.
    """

    predictions: pd.DataFrame
    files: tuple[tuple[Path, int], ...]

    def titles(self, positions: npt.NDArray[np.int64]) -> pa.ChunkedArray:
        """The titles at these positions of `predictions`, in that order."""
        return self._read_texts(positions, "title")

    def contents(self, positions: npt.NDArray[np.int64]) -> pa.ChunkedArray:
        """The articles at these positions, null where a title has none."""
        return self._read_texts(positions, "content")

    def _read_texts(self, positions: npt.NDArray[np.int64], column: str) -> pa.ChunkedArray:
        chunks, taken, first = [], [], 0
        for path, rows in self.files:
            [in_file] = np.nonzero((positions >= first) & (positions < first + rows))
            if len(in_file):
                texts = _read_labelled(path, [column]).column(column)
                chunks += texts.take(positions[in_file] - first).chunks
                taken.append(in_file)
            first += rows
        if not taken:
            return pa.chunked_array([], pa.string())
        order = np.argsort(np.concatenate(taken))
        return pa.chunked_array(chunks).take(order)


def predict_held_out(
    root: DataRoot, model: Artifact, corpus: Artifact, tokens: Artifact, splits: Sequence[str]
) -> HeldOutPredictions:
    """Predict the labelled headlines of some splits.

    Raises:
        DamagedArtifact: a file does not match its manifest, or the tokens belong to other rows.
        InputError: a worker has a different copy of the model.
    """
    entries = [entry for split in splits for entry in _split_files(corpus, split)]
    segmenter = require_segmenter(tokens, Segmenter.from_settings(root.settings))
    jobs = [
        PredictJob(
            root=root,
            corpus=(corpus.name, corpus.manifest.key),
            tokens=(tokens.name, tokens.manifest.key),
            file=entry.path,
            model=model.version,
            model_files=model_files_digest(model),
            fingerprint=tokens.manifest.config["segmenter"],
            segmenter=segmenter,
        )
        for entry in entries
    ]
    rows = sum(entry.rows or 0 for entry in entries)
    pool = executors.executor(min(len(jobs), -(-rows // _MIN_WORKER_ROWS)), root.settings)
    window = executors.max_in_flight(root.settings)
    parts = list(executors.bounded_map(pool, predict_part, jobs, window))
    return HeldOutPredictions(
        _as_frame([_split_of(entry) for entry in entries], parts),
        tuple(
            (corpus.directory / entry.path, len(part.row))
            for entry, part in zip(entries, parts, strict=True)
        ),
    )


def predict_part(job: PredictJob) -> PartPredictions:
    """Predict the labelled headlines of one file; runs in a worker.

    The model is loaded once a process.

    Raises:
        DamagedArtifact: a file changed since it was opened, or the tokens belong to other rows.
        InputError: this machine has a different copy of the model.
    """
    from lstm_model.vocabulary import UNKNOWN

    scorer = cached_scorer(job.root, job.model, job.model_files, job.fingerprint)
    rows, tokens = _read_rows_and_tokens(job, contents=scorer.preset.contents is not None)
    probabilities = [np.zeros((0, len(LABELS)), np.float32)]
    unknown = [np.zeros(0)]
    for start in range(0, len(rows), _BATCH_ROWS):
        batch = rows.slice(start, _BATCH_ROWS)
        texts = batch.column("content").to_pylist() if scorer.preset.contents else ()
        contents = article_tokens(scorer.preset, job.segmenter, texts)
        inputs = scorer.ids(tokens.slice(start, _BATCH_ROWS).to_pylist(), contents)
        ids, words = inputs[0]  # (words,), (rows,)
        probabilities.append(scorer.predict_ids(inputs))
        unknown.append(oov_rates(ids != UNKNOWN, words))
    all_probabilities = np.concatenate(probabilities)
    return PartPredictions(
        row=rows.column("row").to_numpy(),
        label=rows.column("label").to_numpy().astype(np.int8),
        prediction=scorer.labels(all_probabilities),
        leaked=rows.column("leaked").to_numpy(),
        length=pc.utf8_length(rows.column("title")).to_numpy(),
        unknown=np.concatenate(unknown),
        probabilities=all_probabilities,
    )


def _read_rows_and_tokens(job: PredictJob, *, contents: bool) -> tuple[pa.Table, pa.ChunkedArray]:
    """The labelled rows of a file, with or without their articles, and the tokens of each."""
    row_columns = ["row", "record_id", "title", "label", "leaked"]
    row_columns += ["content"] if contents else []
    rows = _read_file(job, job.corpus, row_columns)
    tokens = _read_file(job, job.tokens, ["row", "record_id", "tokens"])
    for name in ("row", "record_id"):
        if not rows.column(name).equals(tokens.column(name)):
            location = job.root.location(job.tokens[0])
            raise DamagedArtifact(location, f"{job.file} has the tokens of other rows")
    labelled = pc.is_valid(rows.column("label"))
    return rows.filter(labelled), tokens.column("tokens").filter(labelled)


def _read_file(job: PredictJob, artifact: tuple[str, str], columns: list[str]) -> pa.Table:
    name, key = artifact
    opened = job.root.store.open(name, [job.file], key=key)
    if opened is None:
        raise DamagedArtifact(job.root.location(name), "it was removed or replaced")
    return pq.read_table(opened.directory / job.file, columns=columns, partitioning=None)


def _as_frame(splits: Sequence[str], parts: Sequence[PartPredictions]) -> pd.DataFrame:
    def column(name: str, dtype: str) -> npt.NDArray[Any]:
        return np.concatenate([np.zeros(0, dtype), *(getattr(part, name) for part in parts)])

    no_rows = np.zeros((0, len(LABELS)), np.float32)
    probabilities = np.concatenate([no_rows, *(part.probabilities for part in parts)])
    label, prediction = column("label", "int8"), column("prediction", "int8")
    rows = [len(part.row) for part in parts]
    return pd.DataFrame(
        {
            "split": pd.Series(np.repeat(np.array(splits, object), rows), dtype="str"),
            "row": column("row", "int64"),
            "label": label,
            "prediction": prediction,
            "probability": np.take_along_axis(probabilities, prediction[:, None], axis=1)[:, 0],
            **{f"p_{name}": probabilities[:, label_id] for label_id, name in enumerate(LABELS)},
            "unknown": column("unknown", "float64"),
            "correct": label == prediction,
            "leaked": column("leaked", "bool"),
            "length": column("length", "int32"),
        }
    )


def _split_files(corpus: Artifact, split: str) -> list[DataFile]:
    return [entry for entry in corpus.manifest.files if _split_of(entry) == split]


def _split_of(entry: DataFile) -> str:
    return Path(entry.path).parent.name.removeprefix("split=")


def _read_labelled(path: Path, columns: list[str]) -> pa.Table:
    table = pq.read_table(path, columns=[*columns, "label"], partitioning=None)
    return table.filter(pc.is_valid(table.column("label")))
