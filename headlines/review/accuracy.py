"""How accurate predictions are by people's labels, on the headlines that were drawn by lot."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from headlines.metrics.bootstrap import LEVEL, bootstrap_intervals
from headlines.metrics.classification import classification_metrics, confusion_matrix
from headlines.reports.messages import ENGLISH, Messages
from headlines.reports.rendering import interval, score
from headlines.review.labelled import labelled_reviews, read_labels
from headlines.review.selection import BY_LOT
from headlines.storage.data_root import DataRoot

PERIOD = timedelta(weeks=4)  # whose reviews count


@dataclass(frozen=True)
class LowerFigure:
    """A figure on reviewed headlines that is below the same of an evaluation.

    Attributes:
        name: `accuracy` or `macro-F1`.
        headlines: how many were reviewed.
        value: on them.
        interval: its 95 % interval, all of it below `evaluated`.
        evaluated: the figure of the evaluation.
    """

    name: str
    headlines: int
    value: float
    interval: tuple[float, float]
    evaluated: float

    def __str__(self) -> str:
        return self.in_words()

    def in_words(self, _: Messages = ENGLISH) -> str:
        """It in a sentence without a full stop."""
        return _(
            "%(name)s on %(headlines)s reviewed headlines is %(value)s (%(interval)s), and "
            "%(evaluated)s in the evaluation",
            name=_.word(self.name),
            headlines=self.headlines,
            value=score(self.value),
            interval=interval(self.interval),
            evaluated=score(self.evaluated),
        )


@dataclass(frozen=True)
class ReviewedAccuracy:
    """Figures on headlines that were drawn by lot and labelled.

    Attributes:
        headlines: how many there are.
        models: the versions that predicted them.
        accuracy: of the predictions.
        accuracy_interval: its 95 % interval (Wilson).
        macro_f1: of the predictions.
        macro_f1_interval: its 95 % bootstrap interval.
    """

    headlines: int
    models: tuple[str, ...]
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    macro_f1_interval: tuple[float, float]

    def __str__(self) -> str:
        low, high = self.accuracy_interval
        f1_low, f1_high = self.macro_f1_interval
        return (
            f"accuracy {self.accuracy:.3f} ({low:.3f}–{high:.3f}), macro-F1 {self.macro_f1:.3f} "
            f"({f1_low:.3f}–{f1_high:.3f}) on {self.headlines} reviewed headlines of the last "
            f"{PERIOD.days // 7} weeks"
        )

    def below(self, accuracy: float | None, macro_f1: float | None) -> list[LowerFigure]:
        """The figures whose interval lies below that of an evaluation."""
        expected = {
            "accuracy": (self.accuracy, self.accuracy_interval, accuracy),
            "macro-F1": (self.macro_f1, self.macro_f1_interval, macro_f1),
        }
        return [
            LowerFigure(name, self.headlines, value, interval, evaluated)
            for name, (value, interval, evaluated) in expected.items()
            if evaluated is not None and interval[1] < evaluated
        ]


def reviewed_accuracy(
    root: DataRoot, model: str, now: datetime | None = None
) -> ReviewedAccuracy | None:
    """The accuracy on reviews of the last weeks; None where none has labels.

    Args:
        root: the data root.
        model: version whose predictions count; those of other models only where there are none.
        now: the time from which `PERIOD` is counted back, with a time zone; now if None.

    Raises:
        InputError: labels are damaged.
    """
    rows = _drawn_by_lot(root, (now or datetime.now(UTC)) - PERIOD)
    if (rows["model"] == model).any():
        rows = rows[rows["model"] == model]
    if rows.empty:
        return None
    labels, predictions = (rows[name].to_numpy("int64") for name in ("label", "predicted"))
    metrics = classification_metrics(labels, predictions)
    intervals = bootstrap_intervals(confusion_matrix(labels, predictions))
    return ReviewedAccuracy(
        headlines=len(rows),
        models=tuple(sorted(rows["model"].unique())),
        accuracy=metrics["accuracy"],
        accuracy_interval=_wilson(int((labels == predictions).sum()), len(rows)),
        macro_f1=metrics["macro_f1"],
        macro_f1_interval=tuple(intervals["macro_f1"]),
    )


def _drawn_by_lot(root: DataRoot, since: datetime) -> pd.DataFrame:
    """`label`, `predicted` and `model`, one row a headline, of reviews made since then."""
    columns = ["record_id", "label", "predicted", "model"]
    tables = [pd.DataFrame({name: [] for name in columns})]
    for artifact in labelled_reviews(root):
        if datetime.fromisoformat(artifact.counts["asked_at"]) >= since:
            labels = read_labels(artifact)
            tables.append(labels[labels["drawn"] == BY_LOT].dropna(subset="label")[columns])
    return pd.concat(tables).drop_duplicates("record_id", keep="last")


def _wilson(correct: int, rows: int) -> tuple[float, float]:
    from scipy.stats import binomtest  # takes half a second to import

    bounds = binomtest(correct, rows).proportion_ci(LEVEL, method="wilson")
    return float(bounds.low), float(bounds.high)
