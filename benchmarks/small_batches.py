"""Scores many small batches in one run, which takes them in groups.

    python -m benchmarks.small_batches [--model VERSION] [--batches 5000] [--rounds 3]

Each batch is a CSV of ten distinct headlines, and each run the whole command `headlines score` from
start to exit, with Prefect's embedded server, on a data root of its own. The last columns are the
rows that the run adds to Prefect's database.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import tempfile
from pathlib import Path

from benchmarks.measure import machine, positive, show_table
from benchmarks.score import FLOW, SMALL_ROWS, Job, mebibytes, resolve_model, write_batch

TABLES = ("flow_run", "task_run", "log", "events")


def write_batches(directory: Path, count: int) -> list[Path]:
    """Write batches of ten headlines each."""
    directory.mkdir()
    header, *rows = (
        write_batch(directory / "all.csv", SMALL_ROWS * count).read_text("utf-8").splitlines()
    )
    files = []
    for number in range(count):
        files.append(directory / f"{number:05d}.csv")
        own = rows[SMALL_ROWS * number : SMALL_ROWS * (number + 1)]
        files[-1].write_text("\n".join([header, *own, ""]), encoding="utf-8")
    return files


def rows_of(home: Path) -> dict[str, int]:
    """Rows of some tables of Prefect's database."""
    with contextlib.closing(sqlite3.connect(home / "prefect.db")) as database:
        return {
            table: database.execute(f"select count(*) from {table}").fetchone()[0]
            for table in TABLES
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="champion", help="a version (default: champion)")
    parser.add_argument("--batches", type=positive, default=5000)
    parser.add_argument("--rounds", type=positive, default=3)
    options = parser.parse_args()
    model = resolve_model(parser, options.model)
    counts = sorted({1, max(1, options.batches // 50), options.batches})
    print(f"{machine()}\n", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        job = Job(model, Path(directory))
        files = write_batches(job.directory / "batches", options.batches)
        job.run_empty_flow()  # creates Prefect's database
        added: dict[int, dict[str, int]] = {}
        for _ in range(options.rounds):
            for count in counts:
                before = rows_of(job.home)
                job.score(FLOW, files[:count], SMALL_ROWS * count)
                after = rows_of(job.home)
                added[count] = {table: after[table] - before[table] for table in TABLES}
        seconds = [job.seconds(FLOW, SMALL_ROWS * count) for count in counts]
        show_table(
            ("batches", "seconds", "each further one, ms", "peak memory, MiB", *TABLES),
            [
                (
                    f"{count:,}",
                    f"{taken:.1f}",
                    f"{1000 * (taken - seconds[0]) / (count - 1):.1f}" if count > 1 else "–",
                    mebibytes(job.peak_memory(FLOW, SMALL_ROWS * count)),
                    *map(str, added[count].values()),
                )
                for count, taken in zip(counts, seconds, strict=True)
            ],
        )


if __name__ == "__main__":
    main()
