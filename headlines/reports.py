"""Self-contained HTML reports: of a training, of an evaluation, of a night."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.catalog import Catalog
from headlines.drafts import write_atomically
from headlines.labels import LABELS, LABELS_ZH
from headlines.manifest import Manifest

if TYPE_CHECKING:  # workers read this module too, and have no use for them
    import jinja2
    import pandas as pd

_MISTAKES = 50
_SAMPLES = 5  # predictions shown of a batch
_SAMPLED = 20  # batches of which some are shown


@dataclass(frozen=True)
class BatchResult:
    """What became of one batch, as plain data.

    Attributes:
        batch: its name.
        outcome: `scored`; `reused` (it was scored before); `stopped` (it cannot be scored);
            `waiting` (stopped on an earlier run, and unchanged); `settling` (left for the next
            night, as it may still be written).
        predictions: directory of its predictions; empty where there are none.
        rows_in: rows of the file.
        scored: rows with a prediction.
        rejected: rows without one.
        reasons: how many rows each reason took.
        labels: how many rows each class got.
        model: version that scored.
        message: why it was stopped, or left.
    """

    batch: str
    outcome: str
    predictions: str = ""
    rows_in: int = 0
    scored: int = 0
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    model: str = ""
    message: str = ""


@dataclass(frozen=True)
class Night:
    """What became of the inbox in a night.

    Attributes:
        model: version that scored.
        batches: what became of each batch, those aside that had been scored before.
        reused: how many had been scored before.
        left_out: how many batches were left out, by what kept them out.
        skipped: files that are no batches, each with the reason.
    """

    model: str
    batches: Sequence[BatchResult]
    reused: int
    left_out: dict[str, int]
    skipped: dict[str, str]

    @property
    def scored(self) -> list[BatchResult]:
        """The batches that were scored in this night."""
        return [batch for batch in self.batches if batch.outcome == "scored"]


def write_training_report(
    path: Path,
    preset: dict[str, Any],
    history: Sequence[dict[str, Any]],
    dev: dict[str, Any],
    counts: dict[str, Any],
) -> None:
    """Write the report of a training: figures on dev, the epochs, the settings."""
    content = _rendered(
        "training.html",
        title=f"Training of the preset {preset['name']}",
        preset=preset,
        history=history,
        dev=dev,
        **counts,
    )
    path.write_text(content, encoding="utf-8")


def write_evaluation_report(
    path: Path,
    version: str,
    manifest: Manifest,
    metrics: dict[str, Any],
    mistakes: "pd.DataFrame",
) -> None:
    """Write the report of an evaluation: figures by split and the most confident mistakes."""
    content = _rendered(
        "evaluation.html",
        title=f"Evaluation of {version}",
        version=version,
        preset=manifest.config["preset"]["name"],
        metrics=metrics,
        mistakes=mistakes.head(_MISTAKES).to_dict("records"),
        mistakes_in_all=len(mistakes),
    )
    path.write_text(content, encoding="utf-8")


def write_nightly_report(catalog: Catalog, path: Path, title: str, night: Night) -> None:
    """Write the report of a night: what became of its batches, and a few predictions."""
    reasons: Counter[str] = Counter()
    for result in night.scored:
        reasons.update(result.reasons)
    content = _rendered(
        "nightly.html",
        title=f"Night {title}",
        model=night.model,
        batches=[asdict(result) for result in night.batches],
        reused=night.reused,
        left_out=night.left_out,
        scored=sum(result.scored for result in night.scored),
        rejected=sum(result.rejected for result in night.scored),
        new=len(night.scored),
        reasons=dict(reasons.most_common()),
        skipped=night.skipped,
        samples=[sample for result in night.scored[:_SAMPLED] for sample in samples(result)],
    )
    write_atomically(catalog, path, content.encode())


def night_summary(night: Night, report: Path) -> str:
    """The night in a few lines of markdown."""
    outcomes = Counter(result.outcome for result in night.batches)
    numbers = {**outcomes, "reused": night.reused, **night.left_out}
    told = ", ".join(f"{number} {outcome}" for outcome, number in numbers.items() if number)
    lines = [
        f"- model: `{night.model}`",
        f"- batches: {told or 'none'}",
        f"- headlines scored: {sum(result.scored for result in night.scored)}",
        f"- rows rejected: {sum(result.rejected for result in night.scored)}",
        f"- report: `{report}`",
    ]
    stopped = [result for result in night.batches if result.outcome == "stopped"]
    lines += [f"- **stopped** {result.batch}: {result.message}" for result in stopped]
    return "\n".join(lines)


def samples(result: BatchResult) -> list[dict[str, Any]]:
    """The first few predictions of a batch, as plain data."""
    import pyarrow.parquet as pq

    first = next(iter(sorted(Path(result.predictions).glob("part-*.parquet"))), None)
    if not result.predictions or first is None:
        return []
    with pq.ParquetFile(first) as file:
        columns = ["title", "label_name", "probability"]
        batch = next(file.iter_batches(_SAMPLES, columns=columns))
    rows: list[dict[str, Any]] = batch.to_pylist()
    return rows


def _rendered(template: str, **values: Any) -> str:
    return (
        _environment()
        .get_template(template)
        .render(labels=LABELS, chinese=dict(zip(LABELS, LABELS_ZH, strict=True)), **values)
    )


@cache
def _environment() -> "jinja2.Environment":
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("headlines"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
