"""Scores a stream of headlines for other programs: bytes in, JSON lines out, nothing kept.

The stream is written to a temporary file below the data root first: whether too many rows must be
rejected is known only at its end, and no line is written before that. Memory does not grow with it.
"""

import base64
import codecs
import json
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow.parquet as pq

from headlines.compute import executors
from headlines.errors import InputError
from headlines.models import champion, registry
from headlines.readers.encodings import OTHER_ENCODING
from headlines.readers.signatures import compression_of
from headlines.scoring.batch import Batch
from headlines.scoring.chunks import ChunkRef
from headlines.scoring.options import ScoreOptions
from headlines.scoring.prepare import OnChunk, check_rejects, read_batch, remove_prepared
from headlines.scoring.read_files import REJECTS_FILE
from headlines.scoring.run_batch import score_while_reading, wait_for
from headlines.scoring.score_chunks import ScoreJob, iter_predictions, make_job
from headlines.storage.artifact import Artifact
from headlines.storage.atomic import atomic_output
from headlines.storage.cleanup import clean_work
from headlines.storage.data_root import DataRoot
from headlines.storage.layout import WORK

_SOURCE = "standard input"
_AT_ONCE = 8_192  # rejects that are read together


def score_stream(
    root: DataRoot,
    source: BinaryIO,
    target: BinaryIO,
    rejects: BinaryIO | Path,
    format: str,
    options: ScoreOptions,
) -> dict[str, Any]:
    """Score the headlines of a stream with the champion.

    Args:
        root: the data root.
        source: is read to its end; may be compressed with gzip or zstd.
        target: gets one JSON object a line, for each row that can be used, in order: `row`, `id`,
            `title`, `label`, `label_name`, `probability`, one `p_…` a class, `model`, and in
            `extra` the other columns.
        rejects: gets one JSON object a line for each other row: `row`, `reason`, and its bytes, as
            `raw` where they are text and else as `raw_base64`; a path becomes a file of them.
        format: `csv`, `tsv`, `jsonl` or `parquet`.
        options: how the rows are read; with more rejects than they allow, `target` gets nothing.

    Returns:
        Numbers of rows: `rows_in`, and of them `scored` and `rejected`; and of those scored
        `without_content`, labelled without an article that the model would read; and their
        `warnings`, as `RowWarnings.rows` has them.

    Raises:
        InputError: there is no model, the stream cannot be read, or too many of its rows cannot be
            used; the rejects are written nevertheless.
    """
    model = champion.open_champion(root)
    registry.load_scorer(model, options.segmenter.fingerprint())  # fail before reading
    root.store.require_writable()
    clean_work(root.store.work)  # of streams that were killed
    with root.store.staging(f"{WORK}/stream") as draft:
        path = _spool(source, draft, format)
        with _as_stream_errors(path), ThreadPoolExecutor(1) as reader:
            batch = Batch.of_file(root, path)
            chunks: list[ChunkRef] = []
            started: list[Future[_Lines]] = []

            def read(on_chunk: OnChunk) -> Future[Artifact]:
                def note(chunk: ChunkRef) -> None:
                    chunks.append(chunk)
                    on_chunk(chunk)

                return reader.submit(read_batch, root, batch, options, note)

            def score(chunk: ChunkRef) -> Future[_Lines]:
                calls = 1 if chunk.is_only else 2
                pool = executors.local_executor(calls, root.settings)  # the draft is local
                job = make_job(root, batch, chunk, model, options)
                started.append(pool.submit(_write_lines, job, draft))
                return started[-1]

            try:
                prepared, scored = score_while_reading(read, score, root.settings)
                encoding = "utf-8" if format == "parquet" else options.read.encoding
                _write_rejects(_reject_lines(prepared, encoding), rejects)
                check_rejects(batch, prepared, options)
                without_content = 0
                for chunk_lines in scored:
                    lines = chunk_lines.result()
                    _move(lines.path, target)
                    without_content += lines.without_content
            finally:
                reader.shutdown()
                # Chunks in flight write into the draft, which is removed next.
                wait_for(future for future in started if not future.cancel())
                remove_prepared(root, batch, options, chunks)
    counts = prepared.counts
    return {
        "rows_in": counts["rows_in"],
        "scored": counts["admitted"],
        "rejected": counts["rejected"],
        "without_content": without_content,
        "warnings": counts["warnings"],
    }


class _Lines(NamedTuple):
    """The file of the predictions of a chunk, and its `ScoredRows.without_content`."""

    path: Path
    without_content: int


def _spool(source: BinaryIO, draft: Path, format: str) -> Path:
    """Write the stream to a file with a suffix that says what is in it, and a unique name."""
    head = source.read(4)
    path = draft / f"stream-{secrets.token_hex(8)}.{format}{compression_of(head)}"
    with path.open("wb") as file:
        file.write(head)
        shutil.copyfileobj(source, file, 1 << 20)
    return path


@contextmanager
def _as_stream_errors(path: Path) -> Iterator[None]:
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


def _write_lines(job: ScoreJob, folder: Path) -> _Lines:
    """Score a chunk of the stream, in a worker."""
    path = folder / f"lines-{job.chunk.number:05d}.jsonl"
    without_content = 0
    with path.open("wb") as file:
        for scored in iter_predictions(job):
            file.writelines(_prediction_line(row) for row in scored.table.to_pylist())
            without_content += scored.without_content
    return _Lines(path, without_content)


def _prediction_line(row: dict[str, Any]) -> bytes:
    del row["record_id"]
    extra = row.pop("extra")  # JSON already
    fields = json.dumps(row, ensure_ascii=False)
    return f'{fields[:-1]}, "extra": {extra or "{}"}}}\n'.encode()


def _reject_lines(prepared: Artifact, encoding: str) -> Iterator[bytes]:
    for path in prepared.files(REJECTS_FILE):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_AT_ONCE):
                for row in batch.to_pylist():
                    fields = {"row": row["row"], "reason": row["reason"]}
                    fields |= _raw_field(row["raw"], encoding, row["reason"])
                    yield json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def _raw_field(raw: bytes, encoding: str, reason: str) -> dict[str, str]:
    # A row of UTF-16 or UTF-32 cannot be decoded without the byte order mark of its file, and one
    # of another encoding is not text.
    is_other = reason.startswith(OTHER_ENCODING)
    if not is_other and not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        try:
            return {"raw": raw.decode(encoding)}
        except UnicodeDecodeError:
            pass
    return {"raw_base64": base64.b64encode(raw).decode()}


def _write_rejects(lines: Iterator[bytes], rejects: BinaryIO | Path) -> None:
    if isinstance(rejects, Path):
        with atomic_output(rejects) as draft, draft.open("wb") as file:
            file.writelines(lines)
    else:
        rejects.writelines(lines)
        rejects.flush()
