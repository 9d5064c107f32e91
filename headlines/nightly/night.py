"""Decides what is done with each batch of a night, and sums the night up."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headlines.errors import BatchesStopped, DriftTooHigh, InputError
from headlines.evaluation.evaluate import reference_profile
from headlines.evaluation.leaderboard import held_out_figures
from headlines.metrics.drift import DriftThresholds, drift
from headlines.metrics.profile import EMPTY_PROFILE, Profile
from headlines.nightly.history import NightSummary, recent_nights
from headlines.nightly.inbox import Inbox
from headlines.review.accuracy import LowerFigure, ReviewedAccuracy, reviewed_accuracy
from headlines.scoring.batch import Batch
from headlines.scoring.batch_state import BatchState, batch_state, clear_failure
from headlines.scoring.results import (
    BatchResult,
    batch_result,
    problem_batches,
    scored_since,
    stopped_result,
)
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Manifest

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alert:
    """Something that a person should look at, though the run does not fail.

    Attributes:
        kind: `no-batch`, `drift` or `accuracy`.
        summary: in a few words.
        detail: in one line.
    """

    kind: str
    summary: str
    detail: str


def score_inbox(
    root: DataRoot,
    batches: Sequence[Batch],
    score: Callable[[list[Batch]], list[BatchResult]],
    digest: Callable[[Path], str],
    unreported_since: str | None,
) -> list[BatchResult]:
    """The result of each batch of the inbox, which is scored if it is due.

    Args:
        root: the data root.
        batches: those of the inbox.
        score: scores batches; an error of one does not stop the others.
        digest: gives the SHA-256 of a file of predictions.
        unreported_since: when the first night began that left no report. What was scored since
            counts as scored in this night.
    """
    results: dict[str, BatchResult] = {}
    due = []
    for batch in batches:
        try:
            result = _result_unless_due(root, batch, digest, unreported_since)
        except Exception as error:
            result = stopped_result(batch, error)
        if result is None:
            due.append(batch)
        else:
            results[batch.name] = result
    results |= {result.batch: result for result in score(due)}
    return [results[batch.name] for batch in batches]


def _result_unless_due(
    root: DataRoot, batch: Batch, digest: Callable[[Path], str], unreported_since: str | None
) -> BatchResult | None:
    state = batch_state(root, batch, digest)
    if state is BatchState.FAILED:
        return batch_result(root, batch, "waiting")
    if state is BatchState.SCORED:
        clear_failure(root, batch)  # of bytes that the batch no longer has
        if unreported_since and scored_since(root, batch, unreported_since):
            return batch_result(root, batch, "scored")
        return BatchResult(batch.name, "reused")
    return None


def summarize(
    root: DataRoot,
    model: str,
    inbox: Inbox,
    results: Sequence[BatchResult],
    evaluation: Artifact,
    thresholds: DriftThresholds,
) -> NightSummary:
    """Sum up a night.

    Args:
        root: the data root.
        model: version that scored.
        inbox: what was in the inbox.
        results: of its batches.
        evaluation: of the model.
        thresholds: of drift.
    """
    profiles = [result.profile for result in results if result.outcome == "scored"]
    profile = sum((Profile.from_dict(data) for data in profiles if data), EMPTY_PROFILE)
    reference, reviewed = reference_profile(evaluation), _reviewed(root, model)
    return NightSummary(
        model=model,
        batches=[
            *(result for result in results if result.outcome != "reused"),
            *(BatchResult(name, "settling", message=why) for name, why in inbox.settling.items()),
        ],
        reused=sum(result.outcome == "reused" for result in results),
        left_out={"of other days": len(inbox.other_days), "without a day": len(inbox.undated)},
        skipped=inbox.skipped,
        profile=profile,
        reference=reference,
        before=recent_nights(root),
        drift=drift(profile, reference, thresholds),
        reviewed=reviewed,
        worse_than_evaluated=worse_than_evaluated(reviewed, model, evaluation.manifest),
    )


def worse_than_evaluated(
    reviewed: ReviewedAccuracy | None, model: str, evaluation: Manifest
) -> list[LowerFigure]:
    """What is worse on a model's reviewed headlines than in its evaluation."""
    if reviewed is None or reviewed.models != (model,):
        return []
    expected = held_out_figures(evaluation)
    return reviewed.below(expected["accuracy"], expected["macro_f1"])


def _reviewed(root: DataRoot, model: str) -> ReviewedAccuracy | None:
    try:
        return reviewed_accuracy(root, model)
    except InputError as error:  # no reason not to score
        _log.warning("%s: the report has no reviewed accuracy", error)
        return None


def alerts_of(night: NightSummary, report: Path) -> list[Alert]:
    """The alerts of a night that does not fail."""
    alerts = []
    if not night.batches:
        alerts.append(Alert("no-batch", "no batch was due this night", f"see {report}"))
    warnings = [str(finding) for finding in night.drift if finding.level == "warn"]
    if warnings:
        detail = f"{'; '.join(warnings)}; see {report}"
        alerts.append(Alert("drift", "headlines unlike those of dev", detail))
    if night.worse_than_evaluated:
        detail = f"{'; '.join(map(str, night.worse_than_evaluated))}; see {report}"
        alerts.append(Alert("accuracy", "reviewed headlines less accurate than evaluated", detail))
    return alerts


def raise_on_problems(
    night: NightSummary, report: Path, result: dict[str, Any], *, fail_on_empty: bool = False
) -> None:
    """Fail a night that a person must look at.

    Raises:
        BatchesStopped: some batches could not be scored, or have no rows and `fail_on_empty` is
            set; the message names high drift too.
        DriftTooHigh: the drift reached the threshold.
    """
    of_batches = problem_batches(night.batches, fail_on_empty=fail_on_empty)
    of_drift = [str(finding) for finding in night.drift if finding.level == "stop"]
    message = f"{'; '.join([*of_batches, *of_drift])}; see {report}"
    if of_batches:
        raise BatchesStopped(message, result)
    if of_drift:
        raise DriftTooHigh(message, result)
