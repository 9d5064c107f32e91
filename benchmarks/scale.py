"""Compares runners: threads, processes, and Dask with separate worker processes.

    python -m benchmarks.scale [--model VERSION] [--rows 400000] [--rounds 3] [--workers 1 2 4]
        [--chunk-rows ROWS …] [--growth ROWS …] [--data s3://BUCKET/PREFIX]

Each runner scores the same batch, in turns. "Files read" is the reading and checking of its rows
as a folder of files (by workers on a local disk; in a bucket this machine reads them); "chunks
scored" is the work of the workers alone, from read chunks to their predictions on disk;
"committed" is the final work of one process; "whole batch" is reading, scoring and committing one
file, without Prefect. Then: the cost of a runner for an empty chunk, the effect of the chunk size,
and the memory of client and scheduler as a batch grows. Every runner has its own batch of the same
rows, in a temporary data root or `--data`, which may be in a bucket (with `AWS_…` and
`HEADLINES_CACHE` set as for any run). All must give the same bytes.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clusters import Cluster, start_cluster
from benchmarks.measure import Peer, Run, machine, medians, positive, show_table
from benchmarks.score import mebibytes, resolve_model, write_batch
from headlines.models import champion
from headlines.scoring import commit
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe

CHUNK_ROWS = 50_000  # the default of the job
SIZES = [5_000, 20_000, 50_000, 100_000]
FILES = 8
GROWTH = [20_000, 100_000, 400_000]
GROWTH_CHUNK = 1_000
EMPTY_TASKS = 200


@dataclass(frozen=True)
class Runner:
    """Where the work runs.

    Attributes:
        kind: a value of `HEADLINES_RUNNER`.
        workers: how many.
        cluster: the Dask cluster, for the runner `dask`.
    """

    kind: str
    workers: int
    cluster: Cluster | None = None

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.workers} worker{'s' * (self.workers > 1)}"

    @property
    def settings(self) -> dict[str, str]:
        variables = {"HEADLINES_RUNNER": self.kind, "HEADLINES_WORKERS": str(self.workers)}
        return variables | ({"HEADLINES_DASK": self.cluster.address} if self.cluster else {})


def prepared(settings: dict[str, str], file: Path, chunk_rows: int) -> Run:
    """Score a batch with one runner, in a process of its own."""
    os.environ.update(settings)
    from headlines.compute import executors
    from headlines.compute.visibility import wait_until_visible
    from headlines.scoring import prepare, score_chunks
    from headlines.scoring.batch import Batch
    from headlines.scoring.chunks import chunk_refs
    from headlines.scoring.options import ChunkSizes, ScoreOptions

    options = ScoreOptions(sizes=ChunkSizes(rows=chunk_rows))
    root = DataRoot.from_settings(Settings.from_environment())
    model = champion.open_champion(root)
    batch = Batch.of_file(root, file)

    def jobs_of(prepared: Artifact) -> list[score_chunks.ScoreJob]:
        refs = chunk_refs(prepared)
        return [score_chunks.make_job(root, batch, ref, model, options) for ref in refs]

    jobs = jobs_of(prepare.prepare_batch(root, batch, options))

    def scored(jobs: Sequence[score_chunks.ScoreJob]) -> list[Artifact]:
        done = executors.bounded_map(
            executors.executor(2, root.settings),
            score_chunks.score_chunk,
            jobs,
            executors.max_in_flight(root.settings),
        )
        return [wait_until_visible(root, part) for part in done]

    commits: list[float] = []

    def run(what: str) -> Any:
        if what == "commit":
            return statistics.median(commits)
        if what == "chunks":
            return len(scored(jobs))
        if what == "batch":
            again = prepare.prepare_batch(root, batch, options)
            parts = scored(jobs_of(again))
            began = time.perf_counter()
            predictions = commit.commit(root, batch, again, model, parts)
            commits.append(time.perf_counter() - began)
            return [entry.sha256 for entry in predictions.manifest.files]
        pool = executors.executor(2, root.settings)
        if what == "one empty":
            return pool.submit(int).result()
        return sum(
            executors.bounded_map(
                pool, int, range(EMPTY_TASKS), executors.max_in_flight(root.settings)
            )
        )

    def clear() -> None:
        for job in jobs:
            root.store.remove(job.target)
        root.store.remove(root.predictions_of(batch.name))

    run.before = clear  # type: ignore[attr-defined]
    scored(jobs)  # workers start and load the model
    return run


def prepared_to_read(settings: dict[str, str], folder: Path) -> Run:
    """Read the files of a folder with one runner, in a process of its own."""
    os.environ.update(settings)
    from headlines.compute import executors
    from headlines.scoring import prepare
    from headlines.scoring.batch import Batch
    from headlines.scoring.chunks import chunk_refs
    from headlines.scoring.options import ChunkSizes, ScoreOptions

    root = DataRoot.from_settings(Settings.from_environment())
    batch = Batch.of_folder(root, folder)
    options = ScoreOptions(sizes=ChunkSizes(read_group_bytes=1))  # each file is a group

    def run() -> int:
        return len(chunk_refs(prepare.prepare_batch(root, batch, options)))

    def clear() -> None:
        chunks = chunk_refs(prepare.prepare_batch(root, batch, options))
        prepare.remove_prepared(root, batch, options, chunks)

    executors.executor(2, root.settings).submit(int).result()  # workers start
    run.before = clear  # type: ignore[attr-defined]
    run()
    return run


def publish_champion(root: DataRoot, model: Artifact) -> None:
    """Copy a model into a data root, which may be in a bucket, and make it the champion."""
    manifest = model.manifest
    recipe = Recipe(manifest.stage, manifest.stage_version, manifest.inputs, manifest.config)

    def copy(draft: Path) -> dict[str, Any]:
        for path in model.files():
            shutil.copyfile(path, draft / path.name)
        return manifest.counts

    version = model.version
    root.store.publish(root.model(version), recipe, copy)
    champion.promote(root, version, "benchmark")


@dataclass
class Bench:
    """The measurements on one data root.

    Attributes:
        root: path or URL of the data root.
        directory: where batches are written.
        rounds: how often each runner is measured.
        batches: how many batches there were so far.
    """

    root: str
    directory: Path
    rounds: int
    batches: int = 0

    def peer(self, runner: Runner, file: Path, chunk_rows: int = CHUNK_ROWS) -> Peer:
        """A process that scores the rows of a file, as a batch of its own, with a runner."""
        batch = self.directory / f"{self.batches}-{file.name}"
        batch.hardlink_to(file)
        self.batches += 1
        settings = {**runner.settings, "HEADLINES_DATA": self.root}
        return Peer(runner.name, 1, prepared, settings=settings, file=batch, chunk_rows=chunk_rows)

    def reader(self, runner: Runner, rows: int) -> Peer:
        """A process that reads a folder of files, as a batch of its own, with a runner."""
        parent = self.directory if "://" in self.root else Path(self.root) / "inbox"
        folder = parent / f"{self.batches}-folder.csv"
        folder.mkdir(parents=True)
        self.batches += 1
        for number in range(FILES):
            write_batch(folder / f"part-{number}.csv", rows // FILES)
        settings = {**runner.settings, "HEADLINES_DATA": self.root}
        return Peer(runner.name, 1, prepared_to_read, settings=settings, folder=folder)

    def compare(self, runners: Sequence[Runner], file: Path, rows: int) -> None:
        """Print rows per second and cost of each runner; check that all give the same bytes."""
        peers = [self.peer(runner, file) for runner in runners]
        chunks = medians([(peer, {"what": "chunks"}) for peer in peers], self.rounds)
        batches = medians([(peer, {"what": "batch"}) for peer in peers], self.rounds)
        results = [peer.result(what="batch") for peer in peers]
        commits = [peer.result(what="commit") for peer in peers]
        readers = [self.reader(runner, rows) for runner in runners]
        read = medians([(reader, {}) for reader in readers], self.rounds)
        for reader in readers:
            reader.close()
        round_trips = medians([(peer, {"what": "one empty"}) for peer in peers], 50 * self.rounds)
        many = medians([(peer, {"what": "empty"}) for peer in peers], self.rounds)
        columns = (
            "runner",
            "files read, rows per second",
            "chunks scored",
            "committed",
            "whole batch",
            "empty chunk, ms round trip",
            "empty chunks per second at most",
        )
        figures = zip(peers, read, chunks, commits, batches, round_trips, many, strict=True)
        show_table(
            columns,
            [
                (
                    peer.name,
                    *(f"{rows / seconds:,.0f}" for seconds in stages),
                    f"{1e3 * round_trip:.2f}",
                    f"{EMPTY_TASKS / all_empty:,.0f}",
                )
                for peer, *stages, round_trip, all_empty in figures
            ],
        )
        same = all(result == results[0] for result in results)
        print(f"{len(results[0])} prediction files, {'byte-identical' if same else 'DIFFERENT'}\n")
        for peer in peers:
            peer.close()

    def chunk_sizes(self, runner: Runner, file: Path, rows: int, sizes: Sequence[int]) -> None:
        """Print rows per second of one runner by the size of chunks, without one that is alone."""
        sizes = [size for size in sizes if 2 * size <= rows]
        peers = [self.peer(runner, file, size) for size in sizes]
        seconds = medians([(peer, {"what": "batch"}) for peer in peers], self.rounds)
        show_table(
            (f"rows per chunk ({runner.name})", "whole batch, rows per second"),
            [
                (f"{size:,}", f"{rows / second:,.0f}")
                for size, second in zip(sizes, seconds, strict=True)
            ],
        )
        for peer in peers:
            peer.close()

    def memory(self, runner: Runner, growth: Sequence[int]) -> None:
        """Print the memory of client and scheduler as a batch grows."""
        assert runner.cluster is not None
        table = []
        for rows in growth:
            file = write_batch(self.directory / f"growing-{rows}.csv", rows)
            chunks = math.ceil(rows / GROWTH_CHUNK)
            peer = self.peer(runner, file, GROWTH_CHUNK)
            before = peer.peak_memory()
            began = time.perf_counter()
            peer.seconds(what="batch")
            seconds = time.perf_counter() - began
            table.append(
                (
                    f"{rows:,} in {chunks}",
                    mebibytes(peer.peak_memory()),
                    mebibytes(peer.peak_memory() - before),
                    mebibytes(runner.cluster.scheduler_memory()),
                    f"{1e3 * seconds / chunks:.1f}",
                )
            )
            peer.close()
        show_table(
            (
                f"rows in chunks ({runner.name})",
                "client, peak MiB",
                "of it for scoring",
                "scheduler, MiB",
                "ms per chunk",
            ),
            table,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="champion", help="a version (default: champion)")
    parser.add_argument("--rows", type=positive, default=400_000)
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--workers", type=positive, nargs="+", default=[1, 2, 4])
    parser.add_argument(
        "--chunk-rows", type=positive, nargs="+", default=SIZES, help="compared, up to half of ROWS"
    )
    parser.add_argument(
        "--growth", type=positive, nargs="+", default=GROWTH, help="rows of the growing batches"
    )
    parser.add_argument(
        "--data", help="the data root, such as s3://BUCKET/PREFIX (default: temporary)"
    )
    options = parser.parse_args()
    model = resolve_model(parser, options.model)
    preset = model.manifest.config["preset"]["name"]
    print(f"{machine()}; preset {preset}; {options.rows:,} headlines", end="", flush=True)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as clusters:
        root = options.data or f"{directory}/data"
        print(f"; data roots {'in a bucket' if '://' in root else 'on a local disk'}\n")
        os.environ["HEADLINES_DATA"] = root
        publish_champion(DataRoot.from_settings(Settings.from_environment()), model)
        bench = Bench(root, Path(directory), options.rounds)
        # Workers elsewhere read the URL of the bucket from their own environment.
        environment = {"HEADLINES_DATA": root} if "://" in root else {}
        runners = [
            Runner(kind, count) for kind in ("threads", "processes") for count in options.workers
        ]
        for count in options.workers:
            cluster = clusters.enter_context(start_cluster(count, bench.directory, environment))
            runners.append(Runner("dask", count, cluster))
        file = write_batch(bench.directory / "batch.csv", options.rows)
        bench.compare(runners, file, options.rows)
        bench.chunk_sizes(runners[-1], file, options.rows, options.chunk_rows)
        bench.memory(runners[-1], options.growth)


if __name__ == "__main__":
    main()
