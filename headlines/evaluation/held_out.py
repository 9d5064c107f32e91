"""What a model says of the labelled headlines of a corpus, file by file, as arrays without titles.

A file is a piece of work of its own for the runner; what comes back are some 40 bytes a headline.
The titles are read again, of those rows that are to be shown.
"""

from collections.abc import Iterator, Mapping, Sequence
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
from headlines.hashing import file_sha256
from headlines.labels import LABELS
from headlines.metrics.profile import oov_rates
from headlines.models.scorers import cached_scorer, model_files_digest
from headlines.segmentation import Segmenter
from headlines.segmentation.article_words import article_tokens
from headlines.storage.artifact import Artifact, have_here
from headlines.storage.layout import Catalog
from headlines.storage.manifest import DataFile

_ROWS_AT_ONCE = 10_000  # whose words a worker holds
_WORTH_ROWS = 20_000  # for each worker; with less it takes longer to start than it saves


@dataclass(frozen=True)
class PredictJob:
    """One file of a corpus, to be labelled by a model: small plain data for another process.

    Attributes:
        root: the data root.
        corpus: directory of the corpus, relative to the data root.
        tokens: that of its words, whose files have the same names and rows.
        name: of the file in both.
        sha256: digests of the file in both.
        model: version that labels.
        model_files: digest of that version's files.
        segmenter: fingerprint of what cut the words.
        cutter: cuts the contents, where the model reads them.
    """

    root: str
    corpus: str
    tokens: str
    name: str
    sha256: tuple[str, str]
    model: str
    model_files: str
    segmenter: Mapping[str, Any]
    cutter: Segmenter


class PartPredictions(NamedTuple):
    """What a model says of the labelled headlines of one file; arrays in their order.

    Attributes:
        row: position in the corpus, int64 (rows,).
        label: int8 (rows,).
        prediction: label by the model, int8 (rows,).
        leaked: bool (rows,).
        length: characters of the title, int32 (rows,).
        unknown: share of its words that the model does not know, float64 (rows,).
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
    """What a model says of all labelled headlines of some splits.

    Attributes:
        checked: one row a headline: `split`, `row`, `label`, `prediction`, `probability` (of the
            prediction), one `p_…` a class, `unknown` (share of its words that the model does not
            know), `correct`, `leaked`, `length` (characters).
        files: those of the corpus that have the headlines, with how many they have, in this order.
    """

    checked: pd.DataFrame
    files: tuple[tuple[Path, int], ...]

    def titles(self, places: npt.NDArray[np.int64]) -> pa.ChunkedArray:
        """The titles of rows of `checked`, given by their places in it, in that order."""
        return self._texts(places, "title")

    def contents(self, places: npt.NDArray[np.int64]) -> pa.ChunkedArray:
        """Their contents, null where a title has none."""
        return self._texts(places, "content")

    def _texts(self, places: npt.NDArray[np.int64], column: str) -> pa.ChunkedArray:
        found, asked, first = [], [], 0
        for path, rows in self.files:
            [here] = np.nonzero((places >= first) & (places < first + rows))
            if len(here):
                texts = _labelled(path, [column]).column(column)
                found.append(texts.take(places[here] - first))
                asked.append(here)
            first += rows
        if not found:
            return pa.chunked_array([], pa.string())
        order = np.argsort(np.concatenate(asked))
        return pa.chunked_array([c for one in found for c in one.chunks]).take(order)


def held_out(
    catalog: Catalog, model: Artifact, corpus: Artifact, tokens: Artifact, splits: Sequence[str]
) -> HeldOutPredictions:
    """Label the headlines of some splits that have a label.

    Raises:
        DamagedArtifact: a file is not what its manifest says, or the words are those of other rows.
        InputError: a worker has another model of that name.
    """
    of_tokens = {entry.path: entry for entry in tokens.manifest.files}
    entries = [entry for split in splits for entry in _files(corpus, split)]
    cutter = require_segmenter(tokens)
    parts = [
        PredictJob(
            root=str(catalog.root),
            corpus=catalog.relative(corpus.directory),
            tokens=catalog.relative(tokens.directory),
            name=entry.path,
            sha256=(entry.sha256, of_tokens[entry.path].sha256),
            model=model.directory.name,
            model_files=model_files_digest(model),
            segmenter=tokens.manifest.config["segmenter"],
            cutter=cutter,
        )
        for entry in entries
    ]
    rows = sum(entry.rows or 0 for entry in entries)
    pool = executors.executor(min(len(parts), -(-rows // _WORTH_ROWS)))
    answers = list(executors.bounded_map(pool, label_part, parts, executors.max_in_flight()))
    return HeldOutPredictions(
        _checked([_split_of(entry) for entry in entries], answers),
        tuple(
            (corpus.directory / entry.path, len(one.row))
            for entry, one in zip(entries, answers, strict=True)
        ),
    )


def label_part(part: PredictJob) -> PartPredictions:
    """What a model says of the labelled headlines of one file; runs in a worker.

    Loads the model once a process.

    Raises:
        DamagedArtifact: a file is not what it was when it was opened, or the two do not match.
        InputError: the model that lies here is not the one that is to label.
    """
    from lstm_model.vocabulary import UNKNOWN

    scorer = cached_scorer(part.root, part.model, part.model_files, part.segmenter)
    rows, tokens = _rows_and_words(part, contents=scorer.preset.contents is not None)
    probabilities, unknown = [], []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        here = rows.slice(start, _ROWS_AT_ONCE)
        texts = here.column("content").to_pylist() if scorer.preset.contents else ()
        contents = article_tokens(scorer.preset, part.cutter, texts)
        read = scorer.ids(tokens.slice(start, _ROWS_AT_ONCE).to_pylist(), contents)
        ids, words = read[0]  # (words,), (rows,)
        probabilities.append(scorer.predict_ids(read))
        unknown.append(oov_rates(ids != UNKNOWN, words))
    nothing = np.zeros((0, len(LABELS)), np.float32)
    found = np.concatenate([nothing, *probabilities])
    return PartPredictions(
        row=rows.column("row").to_numpy(),
        label=rows.column("label").to_numpy().astype(np.int8),
        prediction=scorer.labels(found),
        leaked=rows.column("leaked").to_numpy(),
        length=pc.utf8_length(rows.column("title")).to_numpy(),
        unknown=np.concatenate([nothing[:, 0].astype(np.float64), *unknown]),
        probabilities=found,
    )


def _rows_and_words(part: PredictJob, *, contents: bool) -> tuple[pa.Table, pa.ChunkedArray]:
    """The labelled rows of a file, with their contents or without, and the words of each."""
    of_rows = ["row", "record_id", "title", "label", "leaked", *(["content"] if contents else [])]
    columns = (of_rows, ["row", "record_id", "tokens"])
    tables = []
    for folder, sha256, names in zip((part.corpus, part.tokens), part.sha256, columns, strict=True):
        directory = Path(part.root) / folder
        have_here(directory, part.name)
        if file_sha256(directory / part.name) != sha256:
            raise DamagedArtifact(folder, f"{part.name} is not what the manifest says")
        tables.append(pq.read_table(directory / part.name, columns=names, partitioning=None))
    rows, tokens = tables
    for name in ("row", "record_id"):
        if not rows.column(name).equals(tokens.column(name)):
            raise DamagedArtifact(part.tokens, f"{part.name} has the words of other rows")
    labelled = pc.is_valid(rows.column("label"))
    return rows.filter(labelled), tokens.column("tokens").filter(labelled)


def _checked(splits: Sequence[str], answers: Sequence[PartPredictions]) -> pd.DataFrame:
    def column(name: str, kind: str) -> npt.NDArray[Any]:
        return np.concatenate([np.zeros(0, kind), *(getattr(one, name) for one in answers)])

    nothing = np.zeros((0, len(LABELS)), np.float32)
    probabilities = np.concatenate([nothing, *(one.probabilities for one in answers)])
    label, prediction = column("label", "int8"), column("prediction", "int8")
    rows = [len(one.row) for one in answers]
    return pd.DataFrame(
        {
            "split": pd.Series(np.repeat(np.array(splits, object), rows), dtype="str"),
            "row": column("row", "int64"),
            "label": label,
            "prediction": prediction,
            "probability": np.take_along_axis(probabilities, prediction[:, None], axis=1)[:, 0],
            **{f"p_{name}": probabilities[:, place] for place, name in enumerate(LABELS)},
            "unknown": column("unknown", "float64"),
            "correct": label == prediction,
            "leaked": column("leaked", "bool"),
            "length": column("length", "int32"),
        }
    )


def _files(corpus: Artifact, split: str) -> Iterator[DataFile]:
    for entry in corpus.manifest.files:
        if _split_of(entry) == split:
            yield entry


def _split_of(entry: DataFile) -> str:
    return Path(entry.path).parent.name.removeprefix("split=")


def _labelled(path: Path, columns: list[str]) -> pa.Table:
    table = pq.read_table(path, columns=[*columns, "label"], partitioning=None)
    return table.filter(pc.is_valid(table.column("label")))
