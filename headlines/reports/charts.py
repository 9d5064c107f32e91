"""Charts of a model: training curves, confusion matrix and calibration."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headlines.labels import LABELS
from headlines.reports.drawing import BLUE, FOREGROUND, GREY, GRID_ALPHA, ORANGE, svg_chart
from headlines.reports.messages import ENGLISH, Messages

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def training_curves(
    history: Sequence[Mapping[str, Any]],
    best_epoch: int,
    preset: Mapping[str, Any],
    _: Messages = ENGLISH,
) -> list[str]:
    """Loss and accuracy by epoch, on train and on the held-out rows.

    Args:
        history: one entry for each epoch, with `epoch`, `loss`, `dev_loss`, `accuracy`,
            `dev_accuracy`.
        best_epoch: the epoch whose weights were kept, which is marked.
        preset: settings of the training; with a `validation_split`, a part of train was held out
            instead of dev.
        _: the language, as below.
    """
    share = preset["validation_split"]
    held_out = _("%(share)s of train", share=f"{share:.0%}") if share else "dev"
    return [_curve(history, best_epoch, held_out, metric, _) for metric in ("loss", "accuracy")]


def confusion_chart(matrix: Sequence[Sequence[int]], name: str, _: Messages = ENGLISH) -> str:
    """Counts by true (row) and predicted (column) class of a split, shaded by share of the row."""
    shares = [[count / max(sum(row), 1) for count in row] for row in matrix]

    def draw(figure: "Figure") -> None:
        from matplotlib.patches import Rectangle

        axes = figure.add_subplot()
        for row, counts in enumerate(matrix):
            for column, count in enumerate(counts):
                share = shares[row][column]
                colour = BLUE if row == column else ORANGE
                corner = (column - 0.48, row - 0.48)
                shade = 0.06 + 0.6 * share
                axes.add_patch(Rectangle(corner, 0.96, 0.96, color=colour, alpha=shade))
                text = f"{count}\n{share:.0%}"
                axes.text(column, row, text, ha="center", va="center", fontsize=11, linespacing=1.4)
        ticks = range(len(LABELS))
        axes.set(xlim=(-0.5, 2.5), ylim=(2.5, -0.5), xlabel="predicted", ylabel="labelled")
        axes.set_xticks(ticks, LABELS)
        axes.set_yticks(ticks, LABELS, rotation=90, va="center")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    rows = _("; ").join(
        _(
            "%(correct)s of %(rows)s %(label)s headlines were predicted correctly",
            correct=counts[label_id],
            rows=sum(counts),
            label=_.word(label),
        )
        for label_id, (label, counts) in enumerate(zip(LABELS, matrix, strict=True))
    )
    description = _("Confusion matrix on %(split)s: %(rows)s.", split=name, rows=rows)
    return svg_chart(description, 3.3, draw, _.word)


def reliability_chart(bins: Sequence[Mapping[str, Any]], name: str, _: Messages = ENGLISH) -> str:
    """Accuracy by confidence of a split, above a histogram of the confidence.

    The bins have `from`, `to`, `rows`, `confidence` and `accuracy`.
    """
    filled = [entry for entry in bins if entry["rows"]]
    rows = sum(entry["rows"] for entry in filled)

    def draw(figure: "Figure") -> None:
        curve, histogram = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        curve.plot(
            (0, 1), (0, 1), color=FOREGROUND, linewidth=0.8, linestyle=":", label="calibrated"
        )
        curve.plot(
            [entry["confidence"] for entry in filled],
            [entry["accuracy"] for entry in filled],
            color=BLUE, marker="o", markersize=3, label="model",
        )  # fmt: skip
        curve.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
        curve.grid(alpha=GRID_ALPHA)
        curve.legend(frameon=False, loc="upper left")
        histogram.bar(
            [entry["from"] for entry in bins],
            [entry["rows"] for entry in bins],
            width=[(entry["to"] - entry["from"]) * 0.94 for entry in bins],
            align="edge",
            color=GREY,
        )
        histogram.set(xlabel="confidence: probability of the predicted class", ylabel="headlines")

    points = _("; ").join(
        _(
            "at confidence %(confidence)s %(accuracy)s of %(rows)s",
            confidence=f"{entry['confidence']:.2f}",
            accuracy=f"{entry['accuracy']:.0%}",
            rows=entry["rows"],
        )
        for entry in filled
    )
    description = _(
        "Calibration on %(split)s, %(rows)s headlines. Correct: %(points)s.",
        split=name,
        rows=rows,
        points=points,
    )
    return svg_chart(description, 3.9, draw, _.word)


def _curve(
    history: Sequence[Mapping[str, Any]],
    best_epoch: int,
    held_out: str,
    metric: str,
    _: Messages,
) -> str:
    epochs = [entry["epoch"] for entry in history]
    last = history[-1]

    def draw(figure: "Figure") -> None:
        from matplotlib.ticker import MaxNLocator

        axes = figure.add_subplot()
        for name, key, colour in (("train", metric, GREY), (held_out, f"dev_{metric}", BLUE)):
            values = [entry.get(key) for entry in history]
            shown = [float("nan") if value is None else value for value in values]
            axes.plot(epochs, shown, color=colour, marker="o", markersize=3, label=name)
        axes.axvline(best_epoch, color=FOREGROUND, linewidth=1.2, linestyle=":", label="kept")
        axes.set_xlabel("epoch")
        axes.set_ylabel(metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", alpha=GRID_ALPHA)
        axes.legend(frameon=False)

    on_train, on_held_out = (
        _("unknown") if value is None else f"{value:.3f}"
        for value in (last.get(metric), last.get(f"dev_{metric}"))
    )
    description = _(
        "%(metric)s on train and %(held_out)s over %(epochs)s epochs: at the end %(on_train)s on "
        "train and %(on_held_out)s on %(held_out)s; the weights of epoch %(best)s were kept.",
        metric=_.word(metric).capitalize(),
        held_out=held_out,
        epochs=len(epochs),
        on_train=on_train,
        on_held_out=on_held_out,
        best=best_epoch,
    )
    return svg_chart(description, 2.9, draw, _.word)
