"""The result of scoring a batch, as plain data."""

from dataclasses import dataclass, field
from typing import Any

from headlines.errors import InputError
from headlines.readers.read_options import OPTIONAL
from headlines.scoring import batch_state
from headlines.scoring.batch import Batch
from headlines.scoring.options import ScoreOptions
from headlines.storage.data_root import DataRoot


@dataclass(frozen=True)
class BatchResult:
    """The result of one batch, as plain data.

    Attributes:
        batch: its name.
        outcome: `scored`; `reused` (it was scored before); `empty` (it has no rows, or had none
            when it was scored before); `stopped` (it cannot be scored); `waiting` (stopped on an
            earlier run, and unchanged); `settling` (left for the next night, as it may still be
            written).
        predictions: location of its predictions; empty where there are none.
        rows_in: rows of the file.
        scored: rows with a prediction.
        rejected: rows without one.
        reasons: number of rejected rows by reason.
        warnings: of rows with a prediction, as `RowWarnings.rows` has them.
        labels: number of scored rows by class.
        model: version that scored.
        message: why it was stopped or left, or has no predictions.
        profile: what its headlines look like, as `Profile.to_dict` gives it; None of a batch
            without predictions, and of one that was scored before profiles were kept.
        without_content: scored rows that were labelled by their titles alone, as they lack the
            article that the model would read.
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
    profile: dict[str, Any] | None = None
    without_content: int = 0
    warnings: dict[str, dict[str, int]] = field(default_factory=dict)


def check_same_options(root: DataRoot, batch: Batch, options: ScoreOptions) -> None:
    """Check that a scored batch was read with the same options.

    Raises:
        InputError: it was not.
    """
    manifest = root.store.manifest(root.predictions_of(batch.name))
    before = manifest.config.get("reading") if manifest else None
    if before is None:
        return
    now = options.read.to_config()
    different = ", ".join(
        f"{name} {value!r}"
        for name, value in {**dict.fromkeys(OPTIONAL), **before}.items()
        if now.get(name) != value
    )
    if different:
        raise InputError(
            f"already scored with different options ({different})",
            root.location(root.store.name_of(batch.path)),
            "add --rescore to score it again with the new ones",
        )


def batch_result(root: DataRoot, batch: Batch, outcome: str) -> BatchResult:
    """The result of a batch, read from its manifest in `predictions/` or `failed/`."""
    if outcome == "waiting":
        message = str(batch_state.failed_before_error(root, batch))
        return BatchResult(batch.name, outcome, message=message)
    name = root.predictions_of(batch.name)
    manifest = root.store.manifest(name)
    if manifest is None:
        raise RuntimeError(f"{root.location(name)} no longer exists")
    counts = manifest.counts
    return BatchResult(
        batch=batch.name,
        outcome=outcome if counts["rows_in"] else "empty",
        message="" if counts["rows_in"] else "it has no rows",
        predictions=root.location(name),
        rows_in=counts["rows_in"],
        scored=counts["scored"],
        rejected=counts["rejected"],
        without_content=counts.get("without_content", 0),  # predictions older than such models
        reasons=counts["reasons"],
        warnings=counts.get("warnings", {}),  # predictions older than these
        labels=counts["labels"],
        model=counts["model"],
        profile=counts.get("profile"),
    )


def stopped_result(batch: Batch, error: Exception) -> BatchResult:
    """The result of a batch whose scoring raised an error; the next night tries again."""
    is_expected = isinstance(error, InputError)
    message = str(error) if is_expected else f"{type(error).__name__}: {error}"
    return BatchResult(batch.name, "stopped", message=message)


def scored_since(root: DataRoot, batch: Batch, when: str) -> bool:
    """Whether the predictions of a batch were published since a second, ISO 8601 in UTC."""
    manifest = root.store.manifest(root.predictions_of(batch.name))
    return manifest is not None and manifest.created_at >= when
