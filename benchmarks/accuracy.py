"""Accuracy on dev and cost of each step towards the presets `default` and `best`.

    python -m benchmarks.accuracy [--seeds 5] [--rounds 5] [--only NAME …] [--corpus inews]
        [--picture FILE.svg]

Each variant of `VARIANTS` is trained with several seeds on a corpus of the data root (segmented
and pretrained if needed; `inews` is ingested too) and measured on dev without leaked titles,
compared with the linear baseline; test is never read. All of them take hours on two cores. Speed is
that of `PackedScorer.predict` on the words of dev in one process: the median of rounds in which the
variants take turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import machine, positive, show_table, spread
from headlines.corpus.dataset import ensure
from headlines.corpus.examples import examples
from headlines.corpus.tokens import segment_corpus
from headlines.errors import InputError
from headlines.evaluation.baseline import Texts, fit_and_predict
from headlines.metrics.calibration import Probabilities, calibration_metrics
from headlines.metrics.classification import Labels, classification_metrics
from headlines.segmentation import Segmenter
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training.pretrain import pretrain_view, read_vectors
from lstm_model import PackedScorer
from lstm_model.examples import Examples
from lstm_model.inputs import InputName
from lstm_model.presets import PRESETS, Preset
from lstm_model.training import train

DEFAULT = PRESETS["default"]
BEST = PRESETS["best"]
FAST = PRESETS["fast"]
BOTH = PRESETS["title-and-content"]
TITLES_ALONE = replace(FAST, pretrained=False, adversarial=0.0, learning_rate=1e-3)
METRICS = ("accuracy", "macro_f1", "cross_entropy")
# Each adds one thing to the previous one, up to `best`; then `best` without one of them.
VARIANTS: dict[str, Preset] = {
    "notebook": PRESETS["notebook"],
    "words of the titles alone": TITLES_ALONE,
    "+ word vectors of titles and contents": replace(TITLES_ALONE, pretrained=True),
    "+ twice the learning rate": replace(FAST, adversarial=0.0),
    "fast: + adversarial step": FAST,
    "default: + a reader of pairs": DEFAULT,
    "best: three readers of each": BEST,
    "best without its readers of pairs": replace(BEST, pairs=None),
    "best without the adversarial step": replace(BEST, adversarial=0.0),
    "title-and-content: default + a linear path of articles": BOTH,
}


@dataclass(frozen=True)
class Result:
    """A variant's metrics on dev by seed, and the scorer of its first model."""

    accuracy: list[float]
    macro_f1: list[float]
    cross_entropy: list[float]
    seconds: list[float]
    parameters: int
    scorer: PackedScorer


@dataclass(frozen=True)
class Data:
    """The corpus, tokens and vectors that all variants share."""

    corpus: Artifact
    tokens: Artifact
    segmenter: Segmenter
    vectors: dict[InputName, Artifact]

    def examples(self, preset: Preset, split: str) -> Examples:
        """The rows of a split, without leaked titles unless the preset trains on them."""
        keep_leaked = split == "train" and preset.keep_leaked_titles
        return examples(
            self.corpus, self.tokens, split, preset, self.segmenter, keep_leaked=keep_leaked
        )

    def linear(self, preset: Preset) -> dict[str, Any]:
        """Metrics on dev of a linear classifier with the input of a preset."""
        train, dev = self.examples(preset, "train"), self.examples(preset, "dev")
        linear = fit_and_predict(
            Texts(train.token_lists, train.articles),
            train.labels,
            Texts(dev.token_lists, dev.articles),
        )
        return metrics(dev.labels, linear.labels, linear.probabilities)


def metrics(labels: Labels, predictions: Labels, probabilities: Probabilities) -> dict[str, Any]:
    """`accuracy`, `macro_f1` and `cross_entropy`."""
    calibration = calibration_metrics(probabilities, labels, predictions)
    return {**classification_metrics(labels, predictions), "cross_entropy": calibration["nll"]}


def open_data(corpus_name: str) -> Data:
    """Open the stages of the data root, or build them."""
    root = DataRoot.from_settings(Settings.from_environment())
    corpus = ensure(root, corpus_name)
    vectors = {view: pretrain_view(root, corpus, BOTH, view) for view in BOTH.input_names}
    segmenter = Segmenter.from_settings(root.settings)
    return Data(corpus, segment_corpus(root, corpus), segmenter, vectors)


def measure(preset: Preset, data: Data, seeds: int) -> Result:
    """Train a variant with seeds 0, 1, … and measure it on dev."""
    seconds, scorers, measured, parameters = [], [], [], 0
    training_rows, dev = data.examples(preset, "train"), data.examples(preset, "dev")
    for seed in range(seeds):
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as checkpoints:
            trained = train(
                replace(preset, seed=seed),
                training_rows,
                None if preset.validation_split else dev,
                Path(checkpoints),
                pretrained=read_vectors([data.vectors[view] for view in preset.input_names])
                if preset.pretrained
                else None,
            )
        seconds.append(time.perf_counter() - began)
        scorers.append(PackedScorer(trained))
        probabilities = scorers[-1].predict(dev.token_lists, dev.articles)
        measured.append(metrics(dev.labels, scorers[-1].labels(probabilities), probabilities))
        parameters = sum(weight.size for weight in trained.weights.values())
    figures = {name: [seed[name] for seed in measured] for name in METRICS}
    return Result(**figures, seconds=seconds, parameters=parameters, scorer=scorers[0])


def speeds(scorers: Sequence[PackedScorer], data: Data, rounds: int) -> list[float]:
    """Headlines a second of each scorer."""
    rates: list[list[float]] = [[] for _ in scorers]
    dev_rows = [data.examples(scorer.preset, "dev") for scorer in scorers]
    for _ in range(rounds):
        for scorer_rates, scorer, dev in zip(rates, scorers, dev_rows, strict=True):
            began = time.perf_counter()
            scorer.predict(dev.token_lists, dev.articles)
            scorer_rates.append(len(dev.token_lists) / (time.perf_counter() - began))
    return [statistics.median(scorer_rates) for scorer_rates in rates]


def picture(path: Path, results: dict[str, Result], rates: Sequence[float], linear: float) -> None:
    """Plot accuracy against speed for the presets."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "headlines"  # the same picture, the same bytes
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for (name, result), rate in zip(results.items(), rates, strict=True):
        preset = name.partition(":")[0]
        if preset not in PRESETS:
            continue
        spread = np.std(result.accuracy, ddof=1) if len(result.accuracy) > 1 else 0
        axes.errorbar(rate, np.mean(result.accuracy), yerr=spread, fmt="o", capsize=4)
        axes.annotate(
            preset,
            (rate, float(np.mean(result.accuracy))),
            xytext=(8, 6),
            textcoords="offset points",
        )
    axes.axhline(linear, color="grey", linestyle="--", linewidth=1)
    axes.annotate(
        "TF-IDF and logistic regression",
        (1, linear),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        color="grey",
    )
    axes.margins(0.15)  # room for the names
    axes.set_xscale("log")
    axes.set_xlabel("headlines a second, from words, one process")
    seeds = max(len(result.accuracy) for result in results.values())
    of_seeds = f"mean and standard deviation of {seeds} seeds" if seeds > 1 else "one seed"
    axes.set_ylabel(f"accuracy on dev, {of_seeds}")
    axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=positive, default=5, help="trainings of each variant")
    parser.add_argument("--rounds", type=positive, default=5, help="measurements of the speed")
    parser.add_argument("--only", nargs="+", choices=[*VARIANTS], metavar="NAME")
    parser.add_argument("--corpus", default="inews", metavar="NAME", help="(default: inews)")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    try:
        data = open_data(options.corpus)
    except InputError as error:
        parser.error(str(error))
    linear = data.linear(DEFAULT)
    results = {}
    for name in options.only or VARIANTS:
        results[name] = measure(VARIANTS[name], data, options.seeds)
        print(name, *(spread(getattr(results[name], metric)) for metric in METRICS), flush=True)
    scorers = [result.scorer for result in results.values()]
    rates = speeds(scorers, data, options.rounds)
    headlines = len(data.examples(DEFAULT, "dev").labels)
    print(f"\n{machine()}; {headlines} headlines of dev, {options.seeds} seeds\n")
    rows = [
        (
            name,
            *(spread(getattr(result, metric)) for metric in METRICS),
            f"{result.parameters:,}",
            f"{statistics.median(result.seconds):.0f}",
            f"{rate:,.0f}",
        )
        for (name, result), rate in zip(results.items(), rates, strict=True)
    ]
    baselines = {"": linear}
    if any(VARIANTS[name].contents for name in results):
        baselines[" of titles and contents"] = data.linear(BOTH)
    for suffix, figures in baselines.items():
        scores = [f"{figures[metric]:.3f}" for metric in METRICS]
        rows.append((f"TF-IDF and logistic regression{suffix}", *scores, "", "", ""))
    columns = (
        "",
        "dev accuracy",
        "macro-F1",
        "cross-entropy",
        "parameters",
        "seconds",
        "headlines a second",
    )
    show_table(columns, rows)
    if options.picture:
        picture(options.picture, results, rates, linear["accuracy"])


if __name__ == "__main__":
    main()
