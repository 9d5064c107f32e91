"""What reviewed labels buy: accuracy after more and more labels, chosen or drawn by lot.

    python -m benchmarks.review [--start 1000] [--labels 200 500 1000] [--seeds 3] [--folds 4]
        [--rows N] [--picture FILE.svg]

It replays reviews on iNews with the corpus's own labels. Each fold of train is left out once and
measured; of the rest, `--start` random headlines are labelled, and labels of the others are added
step by step: those that `headlines review` would choose after each step, or as many by lot. The
classifier is TF-IDF and logistic regression, the baseline of evaluations, which is fitted in
seconds; the LSTM would take days on two cores. Neither dev nor test is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.inews import examples
from benchmarks.measure import machine, positive, show_table, spread
from headlines.evaluation.baseline import LinearPredictions, Texts, fit_and_predict
from headlines.labels import LABELS
from headlines.metrics.classification import classification_metrics
from headlines.readers.titles import record_id
from headlines.review.selection import ReviewSize, select
from lstm_model.examples import Examples

Indices = npt.NDArray[np.intp]
WAYS = {"chosen": 0.0, "by lot": 1.0}  # the share by lot


class Figures(NamedTuple):
    """Accuracy and macro-F1 on the folds of one seed, after each number of labels."""

    accuracy: list[float]
    macro_f1: list[float]


class Data:
    """The headlines of train, each once, as words."""

    def __init__(self, corpus: Examples) -> None:
        self.words = corpus.token_lists
        self.titles = ["".join(words) for words in self.words]
        self.ids = [record_id(title) for title in self.titles]
        self.labels = corpus.labels
        self.unique = np.unique(self.ids, return_index=True)[1]

    def predict(self, train: Indices, others: Indices) -> LinearPredictions:
        """Predict some headlines by a classifier of others."""
        texts = [Texts([self.words[row] for row in rows]) for rows in (train, others)]
        return fit_and_predict(texts[0], self.labels[train], texts[1])


def replay(
    data: Data, held_out: Indices, start: Indices, pool: Indices, steps: Sequence[int], lot: float,
    seed: int,
) -> list[npt.NDArray[np.int8]]:  # fmt: skip
    """The labels predicted for `held_out` after each step, (rows,)."""
    train, predicted = start, []
    for step in np.diff([0, *steps, max(steps)]):
        both = data.predict(train, np.concatenate([held_out, pool]))
        predicted.append(both.labels[: len(held_out)])
        chosen = _selected(data, pool, both, len(held_out), ReviewSize(max(step, 1), lot, seed))
        train, pool = np.concatenate([train, chosen]), np.setdiff1d(pool, chosen)
    return predicted


def _selected(
    data: Data, pool: Indices, predicted: LinearPredictions, first: int, size: ReviewSize
) -> Indices:
    """What a review of the pool asks about; its predictions begin at `first`."""
    rows = pd.DataFrame(
        {
            "index": pool,
            "record_id": [data.ids[row] for row in pool],
            "title": [data.titles[row] for row in pool],
            "label": predicted.labels[first:],
            **{
                f"p_{name}": predicted.probabilities[first:, label]
                for label, name in enumerate(LABELS)
            },
        }
    )
    nothing = pd.DataFrame({"record_id": pd.Series([], dtype="str"), "drawn": []})
    return select(rows, nothing, size, None)["index"].to_numpy()


def measure(
    data: Data, start: int, steps: Sequence[int], folds: int, seed: int, lot: float
) -> Figures:
    """Figures over all folds of one seed, before any label and after each step."""
    order = np.random.default_rng(seed).permutation(data.unique)
    labels, predicted = [], []
    for held_out in np.array_split(order, folds):
        rest = order[~np.isin(order, held_out)]
        by_step = replay(data, held_out, rest[:start], rest[start:], steps, lot, seed)
        labels.append(data.labels[held_out])
        predicted.append(by_step)
    metrics = [
        classification_metrics(np.concatenate(labels), np.concatenate(of_step))
        for of_step in zip(*predicted, strict=True)
    ]
    return Figures(*([values[name] for values in metrics] for name in Figures._fields))


def picture(
    path: Path, steps: Sequence[int], results: dict[str, list[Figures]], start: int
) -> None:
    """Draw macro-F1 and accuracy after each step, with the range of the seeds."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "headlines"  # the same picture, the same bytes
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    for axes, name in zip(panels, Figures._fields, strict=True):
        for (way, by_seed), colour in zip(results.items(), ("#3b82c4", "#8a8f98"), strict=True):
            values = np.array([getattr(figures, name) for figures in by_seed])  # (seeds, steps)
            axes.plot(steps, values.mean(axis=0), marker="o", color=colour, label=way)
            axes.fill_between(
                steps, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2
            )
        axes.set(xlabel=f"labels added to {start:,}", ylabel=name.replace("_f1", "-F1"))
        axes.set_xticks(steps)
        axes.grid(alpha=0.3)
    panels[0].legend(frameon=False, loc="lower right")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--start", type=positive, default=1000, help="headlines labelled at first")
    parser.add_argument("--labels", type=positive, nargs="+", default=[200, 500, 1000])
    parser.add_argument("--seeds", type=positive, default=3)
    parser.add_argument("--folds", type=positive, default=4, help="2 at least")
    parser.add_argument("--rows", type=positive, help="of train (default: all)")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    data, steps = Data(examples("train", options.rows)), [0, *sorted(options.labels)]
    results: dict[str, list[Figures]] = {way: [] for way in WAYS}
    for seed in range(options.seeds):
        for way, lot in WAYS.items():
            figures = measure(data, options.start, steps[1:], options.folds, seed, lot)
            results[way].append(figures)
            print(seed, way, *(f"{value:.4f}" for value in figures.accuracy), flush=True)
    print(f"\n{machine()}; {len(data.unique)} headlines, {options.folds} folds\n")
    table = [
        (
            f"{step:,} {way}",
            *(
                spread([getattr(figures, name)[position] for figures in results[way]])
                for name in Figures._fields
            ),
        )
        for position, step in enumerate(steps)
        for way in WAYS
        if step or way == "by lot"
    ]
    show_table(("labels added", "accuracy", "macro-F1"), table)
    if options.picture:
        picture(options.picture, steps, results, options.start)


if __name__ == "__main__":
    main()
