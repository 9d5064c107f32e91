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
from headlines.reports.messages import ENGLISH, Messages
from headlines.reports.rendering import count, render_page
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
    _ = Messages(root.settings.language)
    content = render_page(
        "nightly.html",
        _,
        kind=_("Nightly run"),
        title=_("Night of %(time)s UTC", time=night_time(title)),
        verdict=night_verdict(night, _),
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
        trends=_trends(shown, night.reference, _) if shown else [],
        findings=[(_DISTRIBUTIONS[finding.name], finding) for finding in night.drift],
        drift=_drift_chart(night.drift, _) if night.profile.rows and night.reference.rows else None,
        min_rows=MIN_ROWS,
        reviewed=night.reviewed,
        worse_than_evaluated=[figure.in_words(_) for figure in night.worse_than_evaluated],
        samples=samples_by_class(_prediction_directories(root, night)),
    )
    return root.store.write_document(root.night_report(title), content.encode())


def night_verdict(night: NightSummary, _: Messages = ENGLISH) -> str:
    """A night in one sentence: how much was scored, and what needs attention."""
    scored = sum(result.scored for result in night.scored)
    rejected = sum(result.rejected for result in night.scored)
    stopped, waiting = len(_names(night, "stopped")), _names(night, "waiting")
    parts = [_("Nothing was scored")]
    if night.scored:
        parts = [
            _(
                "%(scored)s headlines scored, %(rejected)s rows rejected",
                scored=count(scored),
                rejected=count(rejected),
            )
        ]
    if without := sum(result.without_content for result in night.scored):
        parts.append(
            _("%(rows)s without an article were labelled by their titles", rows=count(without))
        )
    if stopped:
        parts.append(_.plural(stopped, "1 batch stopped", "%(number)s batches stopped"))
    if waiting:
        names = _(", ").join(waiting[:_MAX_WAITING])
        if (more := len(waiting) - _MAX_WAITING) > 0:
            names = _("%(names)s and %(more)s more", names=names, more=more)
        parts.append(
            _.plural(
                len(waiting),
                "1 batch is waiting for review: %(names)s",
                "%(number)s batches are waiting for review: %(names)s",
                names=names,
            )
        )
    if empty := len(_names(night, "empty")):
        parts.append(_.plural(empty, "1 batch has no rows", "%(number)s batches have no rows"))
    parts += _drift_in_words(night, _)
    if night.worse_than_evaluated:
        parts.append(_("less accurate on reviewed headlines than in the evaluation"))
    return _("; ").join(parts) + _(".")


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


def _drift_in_words(night: NightSummary, _: Messages) -> list[str]:
    if not night.profile.rows:
        return []
    if not night.reference.rows:
        return [_("drift check skipped: dev has no headlines")]
    drifted = {
        level: _(", ").join(
            _.word(_DISTRIBUTIONS[finding.name])
            for finding in night.drift
            if finding.level == level
        )
        for level in ("stop", "warn", "too few rows")
    }
    if names := drifted["stop"]:
        return [_("drift from dev above the stop threshold: %(names)s", names=names)]
    if names := drifted["warn"]:
        return [_("drift from dev: %(names)s", names=names)]
    if drifted["too few rows"]:
        return [_("drift check skipped: too few headlines")]
    return [_("no drift")]


def _trends(nights: Sequence[NightRecord], reference: Profile, _: Messages) -> list[str]:
    names = short_names([night.title for night in nights])
    return [
        trend_chart(
            subject, names, [shares(night.profile) for night in nights], shares(reference), _
        )
        for subject, shares in (("Class shares", _classes), ("Confidence and words", _means))
    ]


def _classes(profile: Profile) -> dict[str, float]:
    return {name: share for name, share in profile.label_shares.items() if share is not None}


def _means(profile: Profile) -> dict[str, float]:
    names = {"confidence": "mean confidence", "unknown": "unknown words"}
    means = {title: profile.means[name] for name, title in names.items()}
    return {title: mean for title, mean in means.items() if mean is not None}


def _drift_chart(findings: Sequence[DriftFinding], _: Messages) -> str:
    return drift_chart(
        [
            (_DISTRIBUTIONS[finding.name], finding.psi, finding.warn, finding.stop)
            for finding in findings
            if finding.psi is not None
        ],
        _,
    )
