"""The report of a night: what was scored and rejected, and whether the headlines drifted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from headlines.metrics.drift import MIN_ROWS, DriftFinding
from headlines.metrics.profile import Profile
from headlines.nightly.charts import drift_chart, trend_chart
from headlines.nightly.history import NightRecord, NightSummary
from headlines.nightly.names import night_time, short_names
from headlines.nightly.samples import samples_by_class
from headlines.readers.row_warnings import warning_lines
from headlines.reports.rendering import render_page
from headlines.storage.data_root import DataRoot

_MAX_SKIPPED = 20  # files named in the summary; the report has all
_MAX_WAITING = 3  # batches named in the verdict; summary and report have all
_NOT_SCORED = ("stopped", "waiting", "settling", "empty")  # outcomes, the most urgent first
_DISTRIBUTIONS = {
    "labels": "classes",
    "length": "length",
    "unknown": "unknown words",
    "confidence": "confidence",
}


def write_nightly_report(root: DataRoot, title: str, night: NightSummary) -> Path:
    """Write the report of a night; the same night gives the same bytes.

    Args:
        root: the data root.
        title: time of the night, which names the report.
        night: its results.

    Returns:
        The path of the HTML file on this machine.
    """
    reasons: Counter[str] = Counter()
    for result in night.scored:
        reasons.update(result.reasons)
    records = [*night.before, NightRecord(title, night.model, night.profile)]
    shown = [record for record in records if record.profile.rows]
    content = render_page(
        "nightly.html",
        kind="Nightly run",
        title=f"Night of {night_time(title)} UTC",
        verdict=night_verdict(night),
        model=night.model,
        batches=sorted(map(asdict, night.batches), key=lambda batch: _urgency(batch["outcome"])),
        reused=night.reused,
        left_out=night.left_out,
        scored=sum(result.scored for result in night.scored),
        rejected=sum(result.rejected for result in night.scored),
        others={outcome: len(_names(night, outcome)) for outcome in _NOT_SCORED},
        new=len(night.scored),
        reasons=dict(reasons.most_common()),
        warnings=[
            (result.batch, warning, where)
            for result in night.scored
            for warning, where in result.warnings.items()
        ],
        skipped=night.skipped,
        profile=night.profile,
        reference=night.reference,
        nights=[(night_time(record.title), record.model, record.profile) for record in shown],
        trends=_trends(shown, night.reference) if shown else [],
        findings=[(_DISTRIBUTIONS[finding.name], finding) for finding in night.drift],
        drift=_drift_chart(night.drift) if night.profile.rows and night.reference.rows else None,
        min_rows=MIN_ROWS,
        reviewed=night.reviewed,
        worse_than_evaluated=night.worse_than_evaluated,
        samples=samples_by_class(_prediction_directories(root, night)),
    )
    return root.store.write_document(root.night_report(title), content.encode())


def night_verdict(night: NightSummary) -> str:
    """A night in one sentence: how much was scored, and what needs attention."""
    scored = sum(result.scored for result in night.scored)
    rejected = sum(result.rejected for result in night.scored)
    stopped, waiting = len(_names(night, "stopped")), _names(night, "waiting")
    done = f"{scored:,} headlines scored, {rejected:,} rows rejected"
    parts = [done if night.scored else "Nothing was scored"]
    if without := sum(result.without_content for result in night.scored):
        parts.append(f"{without:,} without an article were labelled by their titles")
    if stopped:
        parts.append(f"{stopped} {'batch' if stopped == 1 else 'batches'} stopped")
    if waiting:
        verb = "batch is" if len(waiting) == 1 else "batches are"
        more = f" and {len(waiting) - _MAX_WAITING} more" if len(waiting) > _MAX_WAITING else ""
        names = ", ".join(waiting[:_MAX_WAITING]) + more
        parts.append(f"{len(waiting)} {verb} waiting for review: {names}")
    if empty := len(_names(night, "empty")):
        parts.append(f"{empty} {'batch has' if empty == 1 else 'batches have'} no rows")
    parts += _drift_in_words(night)
    if night.worse_than_evaluated:
        parts.append("less accurate on reviewed headlines than in the evaluation")
    return f"{'; '.join(parts)}."


def night_summary(night: NightSummary, report: Path) -> str:
    """The night in a few lines of markdown."""
    outcomes = Counter(result.outcome for result in night.batches)
    numbers = {**outcomes, "reused": night.reused, **night.left_out}
    batches = ", ".join(f"{number} {outcome}" for outcome, number in numbers.items() if number)
    lines = [
        f"**{night_verdict(night)}**",
        "",
        f"- model: `{night.model}`",
        f"- batches: {batches or 'none'}",
        f"- headlines scored: {sum(result.scored for result in night.scored)}",
        f"- rows rejected: {sum(result.rejected for result in night.scored)}",
        f"- files that are not batches: {len(night.skipped)}",
        f"- report: `{report}`",
    ]
    if night.reviewed:
        lines.append(f"- {night.reviewed}")
    lines += [f"- **{warning}**" for warning in night.worse_than_evaluated]
    lines += [f"- **{finding}**" for finding in night.drift if finding.level in ("warn", "stop")]
    skipped = list(night.skipped.items())
    lines += [
        f"- {result.batch}: {warning}"
        for result in night.scored
        for warning in warning_lines(result.warnings)
    ]
    lines += [f"- skipped {name}: {reason}" for name, reason in skipped[:_MAX_SKIPPED]]
    lines += [
        f"- **{outcome}** {result.batch}: {result.message}"
        for outcome in ("stopped", "waiting")
        for result in night.batches
        if result.outcome == outcome
    ]
    return "\n".join(lines)


def _prediction_directories(root: DataRoot, night: NightSummary) -> Iterator[Path]:
    """The directories on this machine of the predictions of a night."""
    for result in night.scored:
        if "://" not in result.predictions:
            yield Path(result.predictions)
        elif (predictions := root.store.open(root.resolve(result.predictions))) is not None:
            yield predictions.directory


def _names(night: NightSummary, outcome: str) -> list[str]:
    """The batches with that outcome."""
    return [result.batch for result in night.batches if result.outcome == outcome]


def _urgency(outcome: str) -> int:
    """Sort key: newly stopped batches first, then those waiting for review."""
    return {"stopped": 0, "waiting": 1}.get(outcome, 2)


def _drift_in_words(night: NightSummary) -> list[str]:
    if not night.profile.rows:
        return []
    if not night.reference.rows:
        return ["drift check skipped: dev has no headlines"]
    drifted = {
        level: [_DISTRIBUTIONS[finding.name] for finding in night.drift if finding.level == level]
        for level in ("stop", "warn", "too few rows")
    }
    if drifted["stop"]:
        return [f"drift from dev above the stop threshold: {', '.join(drifted['stop'])}"]
    if drifted["warn"]:
        return [f"drift from dev: {', '.join(drifted['warn'])}"]
    return ["drift check skipped: too few headlines" if drifted["too few rows"] else "no drift"]


def _trends(nights: Sequence[NightRecord], reference: Profile) -> list[str]:
    names = short_names([night.title for night in nights])
    return [
        trend_chart(subject, names, [shares(night.profile) for night in nights], shares(reference))
        for subject, shares in (("Class shares", _classes), ("Confidence and words", _means))
    ]


def _classes(profile: Profile) -> dict[str, float]:
    return {name: share for name, share in profile.label_shares.items() if share is not None}


def _means(profile: Profile) -> dict[str, float]:
    names = {"confidence": "mean confidence", "unknown": "unknown words"}
    means = {title: profile.means[name] for name, title in names.items()}
    return {title: mean for title, mean in means.items() if mean is not None}


def _drift_chart(findings: Sequence[DriftFinding]) -> str:
    return drift_chart(
        [
            (_DISTRIBUTIONS[finding.name], finding.psi, finding.warn, finding.stop)
            for finding in findings
            if finding.psi is not None
        ]
    )
