"""Scores a stream of headlines for other programs: bytes in, JSON lines out, nothing kept.

The stream is put down in a draft below the data root until it is whole: whether too many rows must
be rejected shows at its end, and not a line is given out before that. Memory does not grow with it.
"""

import base64
import codecs
import json
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow.parquet as pq

from headlines.compute import executors
from headlines.errors import InputError
from headlines.models import champion, registry
from headlines.readers import ReadOptions
from headlines.scoring import prepare
from headlines.scoring.batch import Batch
from headlines.scoring.read_chunks import REJECTS_FILE, ChunkRef
from headlines.scoring.score_chunks import ScoreJob, iter_predictions, make_job
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.atomic import staging_directory
from headlines.storage.cleanup import clean_chunks, clean_drafts
from headlines.storage.layout import Catalog
from headlines.storage.output_file import atomic_output

_SOURCE = "standard input"
_COMPRESSIONS = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
_AT_ONCE = 8_192  # rows that are turned into JSON together


def score_stream(
    catalog: Catalog,
    source: BinaryIO,
    target: BinaryIO,
    rejects: BinaryIO | Path,
    format: str,
    reading: ReadOptions,
    max_reject_rate: float,
) -> dict[str, int]:
    """Score the headlines of a stream with the champion.

    Args:
        catalog: the data root.
        source: is read to its end; may be compressed with gzip or zstd.
        target: gets one JSON object a line, for each row that can be used, in their order: `row`,
            `id`, `title`, `label`, `label_name`, `probability`, one `p_…` a class, `model`, and in
            `extra` the other columns.
        rejects: gets one JSON object a line for each other row: `row`, `reason`, and its bytes, as
            `raw` where they are text and else as `raw_base64`; a path becomes a file of them.
        format: `csv`, `tsv`, `jsonl` or `parquet`.
        reading: how the rows are to be read.
        max_reject_rate: with a larger share of unusable rows `target` gets nothing.

    Returns:
        How many rows there were (`rows_in`), and of them `scored` and `rejected`; and of those
        scored how many were labelled `without_content`, an article that the model would read.

    Raises:
        InputError: there is no model to score with, the stream cannot be read, or too many of its
            rows cannot be used; of those the rejects are told all the same.
    """
    model, segmenter = champion.open_champion(catalog), Segmenter.from_environment()
    registry.load_scorer(
        model, segmenter.fingerprint()
    )  # what is wrong with it shows before reading
    catalog.require_writable()
    clean_drafts(catalog)  # of streams that were killed
    clean_chunks(catalog)
    with staging_directory(catalog, catalog.work / "stream") as draft:
        path = _spool(source, draft, format)
        with _told_of_stream(path):
            batch = Batch.of_file(catalog, path)
            labelling = _Labelling(catalog, batch, model, segmenter, reading, draft)
            try:
                admitted = prepare.prepare_batch(catalog, batch, reading, labelling.start)
                encoding = "utf-8" if format == "parquet" else reading.encoding
                _tell(_reject_lines(admitted, encoding), rejects)
                prepare.check_reject_rate(batch, admitted, max_reject_rate)
                without_content = 0
                for labelled in labelling.lines:
                    lines = labelled.result()
                    _move(lines.path, target)
                    without_content += lines.without_content
            finally:
                # What is under way is waited for: it writes where all is taken away then.
                wait([lines for lines in labelling.lines if not lines.cancel()])
                prepare.discard(catalog, batch, reading, labelling.pieces)
    counts = admitted.counts
    return {
        "rows_in": counts["rows_in"],
        "scored": counts["admitted"],
        "rejected": counts["rejected"],
        "without_content": without_content,
    }


class _Lines(NamedTuple):
    """The predictions of a piece: the file of their lines, and `Scored.without_content` of all."""

    path: Path
    without_content: int


@dataclass
class _Labelling:
    """Pieces of the stream, each scored by a worker while the rest is read.

    Attributes:
        pieces: those that were read so far.
        lines: for each, its predictions as they will be there.
    """

    catalog: Catalog
    batch: Batch
    model: Artifact
    segmenter: Segmenter
    reading: ReadOptions
    folder: Path
    pieces: list[ChunkRef] = field(default_factory=list)
    lines: list[Future[_Lines]] = field(default_factory=list)

    def start(self, piece: ChunkRef) -> None:
        """Have a piece scored."""
        chunk = make_job(self.catalog, self.batch, piece, self.model, self.segmenter, self.reading)
        pool = executors.local_executor(1 if piece.alone else 2)  # the draft is of this machine
        self.pieces.append(piece)
        self.lines.append(pool.submit(_label, chunk, self.folder))


def _spool(source: BinaryIO, draft: Path, format: str) -> Path:
    """The stream as a file whose name says what is in it, and is no other stream's."""
    head = source.read(4)
    if not head:
        raise InputError("nothing came in", _SOURCE, "give it headlines")
    compression = next((c for magic, c in _COMPRESSIONS.items() if head.startswith(magic)), "")
    path = draft / f"stream-{secrets.token_hex(8)}.{format}{compression}"
    with path.open("wb") as file:
        file.write(head)
        shutil.copyfileobj(source, file, 1 << 20)
    return path


@contextmanager
def _told_of_stream(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        if error.location != str(path):
            raise
        raise InputError(error.problem, _SOURCE, error.hint) from error


def _move(lines: Path, target: BinaryIO) -> None:
    with lines.open("rb") as file:
        shutil.copyfileobj(file, target, 1 << 20)
    target.flush()
    lines.unlink()


def _label(chunk: ScoreJob, folder: Path) -> _Lines:
    """Score a piece of the stream, in a worker."""
    path = folder / f"lines-{chunk.piece.number:05d}.jsonl"
    without_content = 0
    with path.open("wb") as file:
        for scored in iter_predictions(chunk):
            file.writelines(_prediction_line(row) for row in scored.table.to_pylist())
            without_content += scored.without_content
    return _Lines(path, without_content)


def _prediction_line(row: dict[str, Any]) -> bytes:
    del row["record_id"]
    extra = row.pop("extra")  # JSON already
    fields = json.dumps(row, ensure_ascii=False)
    return f'{fields[:-1]}, "extra": {extra or "{}"}}}\n'.encode()


def _reject_lines(admitted: Artifact, encoding: str) -> Iterator[bytes]:
    for path in admitted.files(REJECTS_FILE):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_AT_ONCE):
                for row in batch.to_pylist():
                    fields = {"row": row["row"], "reason": row["reason"]}
                    fields |= _readable(row["raw"], encoding)
                    yield json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def _readable(raw: bytes, encoding: str) -> dict[str, str]:
    # Of UTF-16 and UTF-32 the mark at the file's beginning says how to read a row.
    if not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        try:
            return {"raw": raw.decode(encoding)}
        except UnicodeDecodeError:
            pass
    return {"raw_base64": base64.b64encode(raw).decode()}


def _tell(lines: Iterator[bytes], rejects: BinaryIO | Path) -> None:
    if isinstance(rejects, Path):
        with atomic_output(rejects) as draft, draft.open("wb") as file:
            file.writelines(lines)
    else:
        rejects.writelines(lines)
        rejects.flush()
