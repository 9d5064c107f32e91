"""Engines beside each other: threads, processes, and Dask on workers that are separate processes.

    python -m benchmarks.scale [--rows 400000] [--rounds 3] [--workers 1 2 4] [--data s3://BUCKET/P]

The same batch is scored by each engine, in turns. "Files read" is the admission of its rows where
they are a folder of files (beyond one machine only on a local disk: in a bucket this machine reads
them); "pieces scored" is the work of the workers alone, from admitted pieces to their predictions
on disk; "committed" is what one process does at the end; "whole batch" is admission, scoring and
commit of one file, without Prefect. Then what an engine costs for a piece in which nothing is
done, what the size of pieces changes, and what client and scheduler hold of memory as a batch
grows. Every engine has a batch of its own, of the same rows, in a data root that is temporary or
`--data`, which may be in a bucket (its settings, `AWS_…` and `HEADLINES_CACHE`, as for any run).
All must give the same bytes.
"""

from __future__ import annotations

import argparse
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

from benchmarks.clusters import Cluster, cluster_of
from benchmarks.measure import Peer, Run, machine, medians, show_table
from benchmarks.score import mebibytes, write_batch
from headlines.models import champion
from headlines.scoring import commit
from headlines.storage.artifact import Artifact, publish, remove
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe

PIECE_ROWS = 50_000  # as admission has them
SIZES = (5_000, 20_000, 50_000, 100_000)
FILES = 8
GROWTH = (1, 5, 20)
GROWTH_ROWS = 20_000  # of the smallest batch, in pieces of
GROWTH_PIECE = 1_000
EMPTY_TASKS = 200


@dataclass(frozen=True)
class Engine:
    """Where the work runs.

    Attributes:
        runner: as `HEADLINES_RUNNER` has it.
        workers: how many.
        cluster: of Dask, if it is that.
    """

    executors: str
    workers: int
    cluster: Cluster | None = None

    @property
    def name(self) -> str:
        return f"{self.runner}, {self.workers} worker{'s' * (self.workers > 1)}"

    @property
    def settings(self) -> dict[str, str]:
        found = {"HEADLINES_RUNNER": self.runner, "HEADLINES_WORKERS": str(self.workers)}
        return found | ({"HEADLINES_DASK": self.cluster.address} if self.cluster else {})


def prepared(settings: dict[str, str], file: Path, piece_rows: int) -> Run:
    """The scoring of a batch by one engine; runs in a process of its own."""
    os.environ.update(settings)
    from headlines.compute import executors
    from headlines.compute.visibility import wait_until_visible
    from headlines.readers import ReadOptions
    from headlines.scoring import prepare, score_chunks
    from headlines.scoring.batch import Batch

    prepare.CHUNK_ROWS = piece_rows
    catalog = Catalog.from_environment()
    model = champion.open_champion(catalog)
    batch = Batch.of_file(catalog, file)
    admitted = prepare.prepare_batch(catalog, batch, ReadOptions())
    chunks = score_chunks.make_jobs(catalog, batch, admitted, model)

    def scored(chunks: Sequence[score_chunks.ScoreJob]) -> list[Artifact]:
        done = executors.bounded_map(
            executors.executor(2), score_chunks.score_chunk, chunks, executors.max_in_flight()
        )
        return [wait_until_visible(part) for part in done]

    commits: list[float] = []

    def run(what: str) -> Any:
        if what == "commit":
            return statistics.median(commits)
        if what == "pieces":
            return len(scored(chunks))
        if what == "batch":
            again = prepare.prepare_batch(catalog, batch, ReadOptions())
            parts = scored(score_chunks.make_jobs(catalog, batch, again, model))
            began = time.perf_counter()
            found = commit.commit(catalog, batch, again, model, parts)
            commits.append(time.perf_counter() - began)
            return [entry.sha256 for entry in found.manifest.files]
        pool = executors.executor(2)
        if what == "one empty":
            return pool.submit(int).result()
        return sum(executors.bounded_map(pool, int, range(EMPTY_TASKS), executors.max_in_flight()))

    def clear() -> None:
        for chunk in chunks:
            remove(catalog, chunk.directory)
        remove(catalog, catalog.prediction(batch.name))

    run.before = clear  # type: ignore[attr-defined]
    scored(chunks)  # workers start and load the model
    return run


def prepared_to_read(settings: dict[str, str], folder: Path) -> Run:
    """The admission of a folder's files by one engine; runs in a process of its own."""
    os.environ.update(settings)
    from headlines.compute import executors
    from headlines.readers import ReadOptions
    from headlines.scoring import prepare
    from headlines.scoring.batch import Batch
    from headlines.scoring.read_chunks import chunk_refs

    catalog = Catalog.from_environment()
    batch = Batch.of_folder(catalog, folder)
    prepare.READ_GROUP_BYTES = 1  # each file is read by itself

    def run() -> int:
        return len(chunk_refs(prepare.prepare_batch(catalog, batch, ReadOptions())))

    def clear() -> None:
        pieces = chunk_refs(prepare.prepare_batch(catalog, batch, ReadOptions()))
        prepare.discard(catalog, batch, ReadOptions(), pieces)

    executors.executor(2).submit(int).result()  # workers start
    run.before = clear  # type: ignore[attr-defined]
    run()
    return run


def publish_champion(catalog: Catalog, model: Artifact) -> None:
    """Make the model of another data root the champion of this one, which may be in a bucket."""
    manifest = model.manifest
    recipe = Recipe(manifest.stage, manifest.stage_version, manifest.inputs, manifest.config)

    def copy(draft: Path) -> dict[str, Any]:
        for path in model.files():
            shutil.copyfile(path, draft / path.name)
        return manifest.counts

    version = model.directory.name
    publish(catalog, catalog.model(version), recipe, copy)
    champion.promote(catalog, version, "to be measured")


@dataclass
class Bench:
    """What is measured, and with what.

    Attributes:
        root: the data root.
        place: a directory for batches.
        rounds: how often each engine is measured.
        batches: how many there were so far.
    """

    root: str
    place: Path
    rounds: int
    batches: int = 0

    def peer(self, engine: Engine, file: Path, piece_rows: int = PIECE_ROWS) -> Peer:
        """A process that scores the rows of a file, as a batch of its own, with an engine."""
        batch = self.place / f"{self.batches}-{file.name}"
        batch.hardlink_to(file)
        self.batches += 1
        settings = {**engine.settings, "HEADLINES_DATA": self.root}
        return Peer(engine.name, 1, prepared, settings=settings, file=batch, piece_rows=piece_rows)

    def reader(self, engine: Engine, rows: int) -> Peer:
        """A process that reads rows in a folder of files, as a batch of its own, with an engine."""
        place = self.place if "://" in self.root else Path(self.root) / "inbox"
        folder = place / f"{self.batches}-folder.csv"
        folder.mkdir(parents=True)
        self.batches += 1
        for number in range(FILES):
            write_batch(folder / f"part-{number}.csv", rows // FILES)
        settings = {**engine.settings, "HEADLINES_DATA": self.root}
        return Peer(engine.name, 1, prepared_to_read, settings=settings, folder=folder)

    def compare(self, engines: Sequence[Engine], file: Path, rows: int) -> None:
        """Rows a second of each engine, and that all give the same bytes."""
        peers = [self.peer(engine, file) for engine in engines]
        pieces = medians([(peer, {"what": "pieces"}) for peer in peers], self.rounds)
        batches = medians([(peer, {"what": "batch"}) for peer in peers], self.rounds)
        results = [peer.result(what="batch") for peer in peers]
        commits = [peer.result(what="commit") for peer in peers]
        readers = [self.reader(engine, rows) for engine in engines]
        read = medians([(reader, {}) for reader in readers], self.rounds)
        for reader in readers:
            reader.close()
        show_table(
            ("rows a second", "files read", "pieces scored", "committed", "whole batch"),
            [
                (peer.name, *(f"{rows / seconds:,.0f}" for seconds in found))
                for peer, *found in zip(peers, read, pieces, commits, batches, strict=True)
            ],
        )
        same = all(result == results[0] for result in results)
        print(f"{len(results[0])} files of predictions, {'byte-identical' if same else 'OTHER'}\n")
        lone = medians([(peer, {"what": "one empty"}) for peer in peers], 50 * self.rounds)
        many = medians([(peer, {"what": "empty"}) for peer in peers], self.rounds)
        show_table(
            ("cost of the engine", "one piece, ms there and back", "pieces a second at most"),
            [
                (peer.name, f"{1e3 * one:.2f}", f"{EMPTY_TASKS / all_of_them:,.0f}")
                for peer, one, all_of_them in zip(peers, lone, many, strict=True)
            ],
        )
        for peer in peers:
            peer.close()

    def piece_sizes(self, engine: Engine, file: Path, rows: int) -> None:
        """Rows a second of one engine by the size of pieces."""
        sizes = [size for size in SIZES if 2 * size <= rows]
        peers = [self.peer(engine, file, size) for size in sizes]
        seconds = medians([(peer, {"what": "batch"}) for peer in peers], self.rounds)
        show_table(
            (f"rows of a piece ({engine.name})", "whole batch, rows a second"),
            [
                (f"{size:,}", f"{rows / second:,.0f}")
                for size, second in zip(sizes, seconds, strict=True)
            ],
        )
        for peer in peers:
            peer.close()

    def memory(self, engine: Engine) -> None:
        """What client and scheduler hold as a batch grows."""
        assert engine.cluster is not None
        found = []
        for growth in GROWTH:
            file = write_batch(self.place / f"growing-{growth}.csv", growth * GROWTH_ROWS)
            peer = self.peer(engine, file, GROWTH_PIECE)
            before = peer.peak_memory()
            began = time.perf_counter()
            peer.seconds(what="batch")
            seconds = time.perf_counter() - began
            found.append(
                (
                    f"{growth * GROWTH_ROWS:,} in {growth * GROWTH_ROWS // GROWTH_PIECE}",
                    mebibytes(peer.peak_memory()),
                    mebibytes(peer.peak_memory() - before),
                    mebibytes(engine.cluster.memory_of_scheduler()),
                    f"{1e3 * seconds / (growth * GROWTH_ROWS // GROWTH_PIECE):.1f}",
                )
            )
            peer.close()
        show_table(
            (
                f"rows in pieces ({engine.name})",
                "client, peak MiB",
                "of it for scoring",
                "scheduler, MiB",
                "ms a piece",
            ),
            found,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="champion", help="a version (default: champion)")
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--data", help="where the data roots are to be, such as s3://BUCKET/PREFIX")
    options = parser.parse_args()
    model = champion.resolve(Catalog.from_environment(), options.model)
    preset = model.manifest.config["preset"]["name"]
    print(f"{machine()}; preset {preset}; {options.rows:,} headlines", end="", flush=True)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as clusters:
        place = Path(directory)
        root = options.data or f"{directory}/data"
        print(f"; data roots {'in a bucket' if '://' in root else 'on a local disk'}\n")
        os.environ["HEADLINES_DATA"] = root
        publish_champion(Catalog.from_environment(), model)
        bench = Bench(root, place, options.rounds)
        # A worker elsewhere takes the address of its bucket from its own surroundings.
        environment = {"HEADLINES_DATA": root} if "://" in root else {}
        engines = [
            Engine(runner, count)
            for runner in ("threads", "processes")
            for count in options.workers
        ]
        for count in options.workers:
            cluster = clusters.enter_context(cluster_of(count, place, environment))
            engines.append(Engine("dask", count, cluster))
        file = write_batch(place / "batch.csv", options.rows)
        bench.compare(engines, file, options.rows)
        bench.piece_sizes(engines[-1], file, options.rows)
        bench.memory(engines[-1])


if __name__ == "__main__":
    main()
