"""What a million headlines cost one core, stage by stage.

    python -m benchmarks.stages [--model VERSION] [--rows 100000] [--rounds 3]

Each stage runs by itself, in one process, on the batch of `benchmarks.score`, and the table has its
least CPU time: other work on the machine only adds to it.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import rjieba

from benchmarks.measure import machine, positive, show_table
from benchmarks.score import Job, resolve_model, write_batch
from headlines.models.scorers import cached_scorer
from headlines.readers.many_titles import readable_texts, record_ids
from headlines.scoring.batch import Batch
from headlines.scoring.chunks import chunk_refs, read_chunk
from headlines.scoring.options import ScoreOptions
from headlines.scoring.prepare import prepare_batch, remove_prepared
from headlines.scoring.score_chunks import (
    PREDICTIONS_FILE,
    TITLES_AT_ONCE,
    make_job,
    score_chunk,
    title_ids,
)
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot

FORMATS = {".csv": "CSV", ".parquet": "Parquet", ".jsonl": "JSON lines"}
Stage = Callable[[], Any]


def reading(root: DataRoot, file: Path, options: ScoreOptions) -> Stage:
    """A file read, checked, and written in chunks."""
    batch = Batch.of_file(root, file)

    def run() -> None:
        prepared = prepare_batch(root, batch, options)
        remove_prepared(root, batch, options, chunk_refs(prepared))

    return run


def stages_of_chunks(
    root: DataRoot, file: Path, model: Artifact, options: ScoreOptions
) -> dict[str, Stage]:
    """The scoring of all chunks of a file, and its stages."""
    batch = Batch.of_file(root, file)
    chunks = chunk_refs(prepare_batch(root, batch, options))
    jobs = [make_job(root, batch, chunk, model, options) for chunk in chunks]
    segmenter = options.segmenter
    scorer = cached_scorer(root, model.version, jobs[0].model_files, segmenter.fingerprint())
    titles = [
        rows.column("title").to_pylist() for chunk in chunks for rows in read_chunk(root, chunk)
    ]
    readable = [*map(readable_texts, titles)]
    some = [
        texts[start : start + TITLES_AT_ONCE]
        for texts in readable
        for start in range(0, len(texts), TITLES_AT_ONCE)
    ]
    words = [*map(segmenter.cut_joined, some)]
    ids = [title_ids(scorer, segmenter, texts, None) for texts in readable]

    def score() -> list[Artifact]:
        for job in jobs:
            root.store.remove(job.target)
        return [score_chunk(job) for job in jobs]

    tables = [pq.read_table(part.directory / PREDICTIONS_FILE) for part in score()]

    def look_up() -> None:
        for of_texts in words:
            of_texts.__dict__.pop("packed", None)
            scorer.ids(of_texts)

    def write() -> None:
        for table in tables:
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink, compression="zstd")
            hashlib.sha256(sink.getvalue())

    return {
        "chunks scored": score,
        "of it: titles made readable": lambda: [*map(readable_texts, titles)],
        "of it: titles cut into words": lambda: [*map(segmenter.cut_joined, some)],
        "of that: `rjieba`": lambda: [rjieba.cut("\n".join(texts)) for texts in some],
        "of it: words and bigrams looked up": look_up,
        "of it: network": lambda: [*map(scorer.predict_ids, ids)],
        "of it: `record_id`": lambda: [*map(record_ids, titles)],
        "of it: Parquet and its digest": write,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="champion", help="a version (default: champion)")
    parser.add_argument("--rows", type=positive, default=100_000)
    parser.add_argument("--rounds", type=positive, default=3)
    arguments = parser.parse_args()
    model = resolve_model(parser, arguments.model)
    print(f"{machine()}; preset {model.manifest.config['preset']['name']}\n", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        root = Job(model, Path(directory)).new_root()
        options = ScoreOptions()
        files = {
            suffix: write_batch(Path(directory, f"batch{suffix}"), arguments.rows)
            for suffix in FORMATS
        }
        stages = {
            f"{name} read, checked, written in chunks": reading(root, files[suffix], options)
            for suffix, name in FORMATS.items()
        }
        # Its chunks stay; those of the stages before are removed.
        scored = write_batch(Path(directory, "scored.csv"), arguments.rows)
        stages |= stages_of_chunks(root, scored, model, options)
        rows = []
        for name, run in stages.items():
            seconds = []
            for _ in range(arguments.rounds):
                started = time.process_time()
                run()
                seconds.append(time.process_time() - started)
            rows.append((name, f"{1e6 * min(seconds) / arguments.rows:.2f}"))
    show_table(("stage", "core-seconds a million headlines"), rows)


if __name__ == "__main__":
    main()
