"""Scores batches end to end: the whole job, the job without Prefect, and what else people use.

    python -m benchmarks.score [--model VERSION] [--rows 1000000] [--rounds 2] [--full]
                               [--format csv]

A batch is a CSV, or by `--format parquet` a Parquet file, of distinct headlines, each joined from
two of the corpus, the same on every run. The peers have the same weights, each at its best batch
size. The notebook's way is plain jieba, words joined and looked up by `TextVectorization`, and
`Model.predict` on padded rows. The others run the exported ONNX model on rows sorted by length,
with pandas, jieba or `rjieba`, and the ids looked up by this project: in one process with two
threads, or in two processes of `multiprocessing`. A peer labels the first 20,000 headlines, scaled,
without the start of Python and its libraries, and writes no file. Both of ours are whole processes
from start to exit, each with its own data root. The output says how many labels agree: the notebook
takes an ideographic space for a word, the preset `default` drops it, and `rjieba` cuts one headline
in a hundred otherwise than jieba.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.measure import (
    Peer,
    PeerRun,
    best_options,
    machine,
    positive,
    show_table,
    straight_line,
)
from benchmarks.processes import Measured, measured
from benchmarks.score_peers import BATCHES, peers
from benchmarks.segment import corpus
from headlines.errors import InputError
from headlines.models import champion
from headlines.readers import to_json
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.atomic import remove_tree
from headlines.storage.data_root import DataRoot
from lstm_model.bundle import read_bundle
from lstm_model.export.export import MissingPackage, export_model
from lstm_model.presets import Preset

PEER_ROWS = 20_000  # measured for each peer
TRIAL_ROWS = 1000  # to choose its batch size
FULL_ROWS = 5_000_000
SMALL_ROWS = 10

FLOW = [sys.executable, "-m", "flows", "score", "{files}", "--json"]
ALONE = [sys.executable, "-m", "benchmarks.score_alone", "{files}"]
# The cost of Prefect by itself, with the settings of our flows.
EMPTY_FLOW = """
import flows
from prefect import flow
@flow
def empty(): pass
empty()"""
EMPTY = [sys.executable, "-c", EMPTY_FLOW]


def write_batch(path: Path, rows: int) -> Path:
    """Write distinct headlines: the start of one of the corpus, the end of another.

    A smaller batch is the start of a larger one. The suffix of the path decides the format.
    """
    titles = [title for title in corpus("title") if len(title) > 1]
    chance = random.Random(1)
    seen: set[str] = set()
    text = path if path.suffix == ".csv" else path.with_name(f"{path.name}.csv")
    with text.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "source"])
        while len(seen) < rows:
            first, second = chance.choice(titles), chance.choice(titles)
            cut = chance.randint(1, len(first) - 1)
            title = first[:cut] + second[-(len(first) - cut) :]
            if title not in seen:
                writer.writerow([f"n{len(seen)}", title, "网易"])
                seen.add(title)
    if path != text:
        table = pyarrow.csv.read_csv(text)
        if path.suffix == ".parquet":
            pq.write_table(table, path)
        else:
            path.write_text("".join(f"{to_json(row)}\n" for row in table.to_pylist()), "utf-8")
        text.unlink()
    return path


@dataclass
class Job:
    """Our commands, run on data roots that hold one model and nothing else.

    Attributes:
        model: the model that scores.
        directory: where the data roots are created.
        measurements: by command and rows.
    """

    model: Artifact
    directory: Path
    measurements: dict[tuple[str, int], list[Measured]] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Prefect's home of the data roots."""
        return self.directory / "root" / ".prefect"

    def score(self, command: Sequence[str], files: Sequence[Path], rows: int) -> None:
        """Measure one run on files, each a batch, and check that it scored every row of them."""
        root = self.new_root()
        named = [files if part == "{files}" else [part] for part in command]
        self._measure([str(part) for parts in named for part in parts], root, rows)
        manifests = (root.store.manifest(root.predictions_of(file.name)) for file in files)
        if rows != sum(manifest.counts["scored"] for manifest in manifests if manifest):
            raise RuntimeError(f"{files[0]} was not scored completely")

    def run_empty_flow(self) -> None:
        """Measure a flow that does nothing."""
        self._measure(EMPTY, self.new_root(), SMALL_ROWS)

    def labels(self, file: Path, rows: int) -> list[int]:
        """The first labels that the last run predicted."""
        import pyarrow.dataset as ds

        root = DataRoot.open(self.directory / "root")
        predictions = root.store.open(root.predictions_of(file.name))
        assert predictions is not None
        parts = predictions.files(".parquet")
        labels: list[int] = ds.dataset(parts).head(rows, columns=["label"])["label"].to_pylist()
        return labels

    def seconds(self, command: Sequence[str], rows: int) -> float:
        """Median seconds of all runs."""
        return statistics.median(run.seconds for run in self.measurements[command[2], rows])

    def peak_memory(self, command: Sequence[str], rows: int) -> int:
        """Peak memory of all runs, in bytes."""
        return max(run.peak_memory for run in self.measurements[command[2], rows])

    def new_root(self) -> DataRoot:
        """A data root with the model alone, in place of the one before."""
        directory = self.directory / "root"
        directory.mkdir(exist_ok=True)
        for path in directory.iterdir():
            if path != self.home:  # created by the first run, then kept
                remove_tree(path)
        root = DataRoot.open(directory)
        version = self.model.version
        shutil.copytree(self.model.directory, directory / root.model(version))
        champion.promote(root, version, "benchmark")
        return root

    def _measure(self, command: Sequence[str], root: DataRoot, rows: int) -> None:
        environment = {
            **os.environ,
            "HEADLINES_DATA": root.url,
            "PREFECT_HOME": str(self.home),
        }
        environment.pop("PREFECT_API_URL", None)  # so the run starts the embedded server
        self.measurements.setdefault((command[2], rows), []).append(measured(command, environment))


def mebibytes(count: int) -> str:
    return f"{count / 2**20:,.0f}"


def export(model: Artifact, directory: Path) -> Path:
    """Export a model to ONNX.

    Raises:
        MissingPackage: a package that it needs is not installed.
    """
    export_model(read_bundle(model.directory), directory, [["股市", "大涨"]], "onnx")
    return directory / "model.onnx"


def tried(peer: Peer) -> PeerRun:
    """A peer and its best batch size."""
    trials = [{"batch": batch, "rows": TRIAL_ROWS} for batch in BATCHES]
    return peer, best_options(peer, trials, times=1)


def show_peers(
    runs: Sequence[PeerRun], rates: Sequence[float], rows: int, ours: Sequence[int]
) -> None:
    """Print the speed of the peers, and how many of their labels are ours."""
    cells = []
    for (peer, options), rate in zip(runs, rates, strict=True):
        labels = peer.result(**options | {"rows": rows}).tolist()
        agree = sum(a == b for a, b in zip(ours, labels, strict=True))
        memory = mebibytes(peer.peak_memory())
        cells.append((peer.name, f"{options['batch']}", f"{rate:,.0f}", f"{agree:,}", memory))
    columns = (
        f"the first {rows:,} headlines by peers",
        "rows a batch",
        "headlines per second",
        "labels that agree with ours",
        "peak memory, MiB",
    )
    show_table(columns, cells)


def compare(job: Job, sizes: Sequence[int], notebook_rate: float, best_rate: float) -> None:
    """Print time and memory of our commands, and their speed relative to the peers'."""
    rows = []
    for name, command in {"`headlines score`": FLOW, "without Prefect": ALONE}.items():
        for size in sizes:
            rate = size / job.seconds(command, size)
            rows.append(
                (
                    name,
                    f"{size:,}",
                    f"{job.seconds(command, size):.1f}",
                    f"{rate:,.0f}",
                    f"{rate / notebook_rate:.1f}",
                    f"{rate / best_rate:.1f}",
                    mebibytes(job.peak_memory(command, size)),
                )
            )
    columns = (
        "",
        "headlines",
        "seconds",
        "headlines per second",
        "times as fast as the notebook's way",
        "as the fastest peer",
        "peak memory of all processes, MiB",
    )
    show_table(columns, rows)
    lines = []
    for name, command in {"`headlines score`": FLOW, "without Prefect": ALONE}.items():
        seconds = [job.seconds(command, size) for size in sizes]
        slope, fit = straight_line(sizes, seconds)
        lines.append((name, f"{1e6 * slope:.2f}", f"{fit:.5f}"))
    show_table(("straight line through the sizes", "µs per headline", "R²"), lines)


def small_batch(job: Job) -> None:
    """Print the time of ten headlines and its parts."""
    rows = {
        "`headlines score`": FLOW,
        "an empty flow: Prefect, its embedded server": EMPTY,
        "without Prefect: Python, model, prepare, score, commit": ALONE,
    }
    show_table(
        (f"{SMALL_ROWS} headlines", "seconds"),
        [(name, f"{job.seconds(command, SMALL_ROWS):.2f}") for name, command in rows.items()],
    )


def resolve_model(parser: argparse.ArgumentParser, name: str) -> Artifact:
    """The model of that version in the data root, or its champion; ends the program without one."""
    try:
        return champion.resolve(DataRoot.from_settings(Settings.from_environment()), name)
    except InputError as error:
        parser.error(str(error))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="champion", help="a version (default: champion)")
    parser.add_argument("--rows", type=positive, default=1_000_000, help="of the largest batch")
    parser.add_argument("--rounds", type=positive, default=2)
    parser.add_argument("--full", action="store_true", help=f"{FULL_ROWS:,} rows too, once")
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    options = parser.parse_args()
    model = resolve_model(parser, options.model)
    preset = Preset.from_dict(model.manifest.config["preset"])
    if preset.contents:
        parser.error(f"the model {model.version} reads articles; name another one with --model")
    sizes = [size for size in (options.rows // 100, options.rows // 10, options.rows) if size]
    print(f"{machine()}; preset {preset.name}, {options.format}\n", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        job = Job(model, Path(directory))

        def batch_of(size: int) -> Path:
            return write_batch(job.directory / f"{size}.{options.format}", size)

        # The largest is scored last: its labels are compared.
        files = {size: batch_of(size) for size in sorted({SMALL_ROWS, *sizes})}
        largest = max(files)
        peer_rows = min(PEER_ROWS, largest)
        try:
            onnx = export(model, job.directory / "onnx")
        except MissingPackage as error:
            parser.error(str(error))
        runs = [tried(peer) for peer in peers(model.directory, onnx, batch_of(peer_rows))]
        job.run_empty_flow()  # creates Prefect's database
        job.measurements.clear()
        seconds: list[list[float]] = [[] for _ in runs]
        for _ in range(options.rounds):
            for of_peer, (peer, with_options) in zip(seconds, runs, strict=True):
                of_peer.append(peer.seconds(**with_options | {"rows": peer_rows}))
            job.run_empty_flow()
            for size, file in files.items():
                for command in (FLOW, ALONE):
                    job.score(command, [file], size)
        rates = [peer_rows / statistics.median(of_peer) for of_peer in seconds]
        show_peers(runs, rates, peer_rows, job.labels(files[largest], peer_rows))
        for peer, _ in runs:
            peer.close()
        if options.full:
            for command in (FLOW, ALONE):
                job.score(command, [batch_of(FULL_ROWS)], FULL_ROWS)
            sizes.append(FULL_ROWS)
        compare(job, sizes, rates[0], max(rates))
    small_batch(job)


if __name__ == "__main__":
    main()
