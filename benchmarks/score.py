"""Scores batches end to end: the whole job, the job without Prefect, and the notebook's way.

    python -m benchmarks.score [--model VERSION] [--rows 1000000] [--rounds 2] [--full]

A batch is a CSV of distinct headlines, each joined from two of the corpus, the same on every run.
The notebook's way is plain jieba, words joined and looked up by `TextVectorization`, and
`Model.predict` of the same weights on padded rows, at its best batch size. It is measured on 20,000
headlines and scaled, without the start of Python, TensorFlow and jieba, and writes no file. Both of
ours are whole processes from start to exit, each with its own data root. The output says how many
labels agree: the notebook takes an ideographic space for a word, the preset `default` drops it.
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
from typing import Any

from benchmarks.measure import (
    Peer,
    Run,
    best_options,
    machine,
    needs_tensorflow,
    positive,
    show_table,
    straight_line,
)
from benchmarks.processes import Measured, measured
from benchmarks.segment import corpus, quiet_jieba
from headlines.errors import InputError
from headlines.models import champion
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.atomic import remove_tree
from headlines.storage.data_root import DataRoot
from lstm_model.architecture import branches
from lstm_model.presets import Preset

NOTEBOOK_ROWS = 20_000  # measured for the notebook's way
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


@needs_tensorflow
def notebook(bundle: Path, file: Path) -> Run:
    """Labels the first rows of a file as the notebook does."""
    import keras
    import numpy as np
    import pandas as pd
    import tensorflow as tf

    from benchmarks.keras_peer import keras_classifier, with_weights
    from lstm_model.bundle import read_bundle
    from lstm_model.vocabulary import normalised_words

    jieba = quiet_jieba()
    jieba.initialize()
    read = read_bundle(bundle)
    preset, calibration = read.preset, read.calibration
    model = with_weights(keras_classifier(preset, len(read.vocabulary)), preset, read.weights)
    lookup = keras.layers.TextVectorization(
        standardize="lower_and_strip_punctuation" if preset.rules == "text_vectorization" else None,
        split="whitespace",
        output_sequence_length=preset.padded_length,
        vocabulary=list(read.vocabulary.words[2:]),
    )

    def run(batch: int, rows: int = NOTEBOOK_ROWS) -> Any:
        titles = pd.read_csv(file, nrows=rows)["title"]
        token_lists = [jieba.lcut(title) for title in titles]
        if preset.rules == "normalised":
            token_lists = [normalised_words(tokens) for tokens in token_lists]
        texts = [" ".join(tokens) for tokens in token_lists]
        ids = lookup(tf.constant(texts))
        probabilities = model.predict(ids, batch_size=batch, verbose=0)
        return calibration.labels(calibration.probabilities(np.log(probabilities)))

    return run


def write_batch(path: Path, rows: int) -> Path:
    """Write a CSV of distinct headlines: the start of one corpus headline, the end of another."""
    titles = [title for title in corpus("title") if len(title) > 1]
    chance = random.Random(1)
    seen: set[str] = set()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "source"])
        while len(seen) < rows:
            first, second = chance.choice(titles), chance.choice(titles)
            cut = chance.randint(1, len(first) - 1)
            title = first[:cut] + second[-(len(first) - cut) :]
            if title not in seen:
                writer.writerow([f"n{len(seen)}", title, "网易"])
                seen.add(title)
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
        root = self._new_root()
        named = [files if part == "{files}" else [part] for part in command]
        self._measure([str(part) for parts in named for part in parts], root, rows)
        manifests = (root.store.manifest(root.predictions_of(file.name)) for file in files)
        if rows != sum(manifest.counts["scored"] for manifest in manifests if manifest):
            raise RuntimeError(f"{files[0]} was not scored completely")

    def run_empty_flow(self) -> None:
        """Measure a flow that does nothing."""
        self._measure(EMPTY, self._new_root(), SMALL_ROWS)

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

    def _measure(self, command: Sequence[str], root: DataRoot, rows: int) -> None:
        environment = {
            **os.environ,
            "HEADLINES_DATA": root.url,
            "PREFECT_HOME": str(self.home),
        }
        environment.pop("PREFECT_API_URL", None)  # so the run starts the embedded server
        self.measurements.setdefault((command[2], rows), []).append(measured(command, environment))

    def _new_root(self) -> DataRoot:
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


def mebibytes(count: int) -> str:
    return f"{count / 2**20:,.0f}"


def compare(job: Job, sizes: Sequence[int], notebook_rate: float) -> None:
    """Print time and memory of our commands, and their speed relative to the notebook's way."""
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
                    mebibytes(job.peak_memory(command, size)),
                )
            )
    columns = (
        "",
        "headlines",
        "seconds",
        "headlines per second",
        "times as fast as the notebook's way",
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
    options = parser.parse_args()
    model = resolve_model(parser, options.model)
    preset = Preset.from_dict(model.manifest.config["preset"])
    if len(branches(preset)) > 1:
        parser.error(
            f"the model {model.version} has several branches, and the notebook's way has one; "
            "name a model of the preset fast or notebook with --model"
        )
    sizes = [size for size in (options.rows // 100, options.rows // 10, options.rows) if size]
    print(f"{machine()}; preset {preset.name}\n", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        job = Job(model, Path(directory))
        # The largest is scored last: its labels are compared.
        files = {
            size: write_batch(job.directory / f"{size}.csv", size)
            for size in sorted({SMALL_ROWS, *sizes})
        }
        largest = max(files)
        peer = Peer("the notebook's way", 2, notebook, bundle=model.directory, file=files[largest])
        trials = [{"batch": batch, "rows": 2000} for batch in (32, 128, 512, 2048)]
        batch = best_options(peer, trials)["batch"]
        peer_rows = min(NOTEBOOK_ROWS, largest)
        peer_seconds = []
        job.run_empty_flow()  # creates Prefect's database
        job.measurements.clear()
        for _ in range(options.rounds):
            peer_seconds.append(peer.seconds(batch=batch, rows=peer_rows))
            job.run_empty_flow()
            for size, file in files.items():
                for command in (FLOW, ALONE):
                    job.score(command, [file], size)
        expected = peer.result(batch=batch, rows=peer_rows).tolist()
        labels = job.labels(files[largest], peer_rows)
        agree = sum(a == b for a, b in zip(labels, expected, strict=True))
        rate = peer_rows / statistics.median(peer_seconds)
        print(
            f"The notebook's way: {rate:,.0f} headlines per second in batches of {batch}; "
            f"{agree:,} of {peer_rows:,} labels agree with ours; peak memory "
            f"{mebibytes(peer.peak_memory())} MiB\n"
        )
        peer.close()
        if options.full:
            file = write_batch(job.directory / f"{FULL_ROWS}.csv", FULL_ROWS)
            for command in (FLOW, ALONE):
                job.score(command, [file], FULL_ROWS)
            sizes.append(FULL_ROWS)
        compare(job, sizes, rate)
    small_batch(job)


if __name__ == "__main__":
    main()
