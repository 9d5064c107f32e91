"""The report of a night: what was scored and rejected, and how it differs from dev."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from headlines.metrics.drift import LEAST_ROWS, Finding
from headlines.metrics.profile import Profile
from headlines.nightly.charts import drift_chart, trend_chart
from headlines.nightly.history import NightRecord, NightSummary
from headlines.nightly.samples import samples_by_class
from headlines.reports.rendering import rendered
from headlines.storage.data_root import DataRoot

_SKIPPED = 20  # files named in the summary; the report has all
_WAITING = 3  # batches named in the verdict; summary and report have all
_OTHERS = ("stopped", "waiting", "settling")  # outcomes of unscored batches, by urgency
_FINDINGS = {
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
    nights = [*night.before, NightRecord(title, night.model, night.profile)]
    nights = [record for record in nights if record.profile.rows]
    content = rendered(
        "nightly.html",
        kind="Nightly run",
        title=f"Night of {_moment(title)} UTC",
        verdict=verdict(night),
        model=night.model,
        batches=sorted(map(asdict, night.batches), key=lambda batch: _urgency(batch["outcome"])),
        reused=night.reused,
        left_out=night.left_out,
        scored=sum(result.scored for result in night.scored),
        rejected=sum(result.rejected for result in night.scored),
        others={outcome: len(_names(night, outcome)) for outcome in _OTHERS},
        new=len(night.scored),
        reasons=dict(reasons.most_common()),
        skipped=night.skipped,
        profile=night.profile,
        reference=night.reference,
        nights=[(_moment(record.title), record.model, record.profile) for record in nights],
        courses=_trends(nights, night.reference) if nights else [],
        findings=[(_FINDINGS[finding.name], finding) for finding in night.drift],
        drift=_drift(night.drift) if night.profile.rows and night.reference.rows else None,
        least_rows=LEAST_ROWS,
        samples=samples_by_class(_prediction_directories(root, night)),
    )
    return root.store.write_document(root.night_report(title), content.encode())


def verdict(night: NightSummary) -> str:
    """A night in one sentence: how much was scored, and what needs attention."""
    scored = sum(result.scored for result in night.scored)
    rejected = sum(result.rejected for result in night.scored)
    stopped, waiting = len(_names(night, "stopped")), _names(night, "waiting")
    counts = f"{scored:,} headlines scored, {rejected:,} rows rejected"
    parts = [counts if night.scored else "Nothing was scored"]
    if without := sum(result.without_content for result in night.scored):
        parts.append(f"{without:,} labelled by their titles alone, without an article")
    if stopped:
        parts.append(f"{stopped} {'batch' if stopped == 1 else 'batches'} stopped")
    if waiting:
        wait = "batch waits" if len(waiting) == 1 else "batches wait"
        more = f" and {len(waiting) - _WAITING} more" if len(waiting) > _WAITING else ""
        names = ", ".join(waiting[:_WAITING]) + more
        parts.append(f"{len(waiting)} {wait} for a person: {names}")
    parts += _drift_in_words(night)
    return f"{'; '.join(parts)}."


def night_summary(night: NightSummary, report: Path) -> str:
    """The night in a few lines of markdown."""
    outcomes = Counter(result.outcome for result in night.batches)
    numbers = {**outcomes, "reused": night.reused, **night.left_out}
    batches = ", ".join(f"{number} {outcome}" for outcome, number in numbers.items() if number)
    lines = [
        f"**{verdict(night)}**",
        "",
        f"- model: `{night.model}`",
        f"- batches: {batches or 'none'}",
        f"- headlines scored: {sum(result.scored for result in night.scored)}",
        f"- rows rejected: {sum(result.rejected for result in night.scored)}",
        f"- files that are not batches: {len(night.skipped)}",
        f"- report: `{report}`",
    ]
    lines += [f"- **{finding}**" for finding in night.drift if finding.level in ("warn", "stop")]
    skipped = list(night.skipped.items())
    lines += [f"- skipped {name}: {reason}" for name, reason in skipped[:_SKIPPED]]
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
    """The batches of that outcome."""
    return [result.batch for result in night.batches if result.outcome == outcome]


def _urgency(outcome: str) -> int:
    """Sorts batches that need attention first, and newly stopped ones before waiting ones."""
    return {"stopped": 0, "waiting": 1}.get(outcome, 2)


def _drift_in_words(night: NightSummary) -> list[str]:
    if not night.profile.rows:
        return []
    if not night.reference.rows:
        return ["drift is not judged without headlines of dev"]
    drifted = {
        level: [_FINDINGS[finding.name] for finding in night.drift if finding.level == level]
        for level in ("stop", "warn", "too few rows")
    }
    if drifted["stop"]:
        return [f"unlike the headlines of dev, beyond the bound: {', '.join(drifted['stop'])}"]
    if drifted["warn"]:
        return [f"unlike the headlines of dev: {', '.join(drifted['warn'])}"]
    return ["too few for drift to be judged" if drifted["too few rows"] else "no drift"]


def _moment(title: str) -> str:
    """The time in a report's name as people write it; another name as it is."""
    try:
        return f"{datetime.strptime(title, '%Y-%m-%dT%H%M%SZ'):%Y-%m-%d %H:%M}"
    except ValueError:
        return title


def _trends(nights: Sequence[NightRecord], reference: Profile) -> list[str]:
    names = _short_names([record.title for record in nights])
    profiles = [record.profile for record in nights]
    return [
        trend_chart(what, names, [shares(profile) for profile in profiles], shares(reference))
        for what, shares in (("Class shares", _classes), ("Confidence and words", _means))
    ]


def _short_names(titles: Sequence[str]) -> list[str]:
    """Month and day of each night, with as much of its time as distinguishes it from the others."""
    forms: list[Callable[[str], str]] = [
        lambda title: title[5:10],
        lambda title: f"{title[5:10]} {title[11:13]}h",
        lambda title: f"{title[5:10]} {title[11:13]}:{title[13:15]}",
        lambda title: f"{title[5:10]} {title[11:13]}:{title[13:15]}:{title[15:17]}",
    ]
    names: dict[str, str] = {}
    for form in reversed(forms):  # the shortest that is unique, else the longest
        shown = Counter(map(form, titles))
        names |= {
            title: form(title) for title in titles if title not in names or shown[form(title)] == 1
        }
    return [names[title] for title in titles]


def _classes(profile: Profile) -> dict[str, float]:
    return {name: share for name, share in profile.label_shares.items() if share is not None}


def _means(profile: Profile) -> dict[str, float]:
    names = {"confidence": "mean confidence", "unknown": "unknown words"}
    means = ((words, profile.means[name]) for name, words in names.items())
    return {words: mean for words, mean in means if mean is not None}


def _drift(findings: Sequence[Finding]) -> str:
    return drift_chart(
        [
            (_FINDINGS[finding.name], finding.psi, finding.warn, finding.stop)
            for finding in findings
            if finding.psi is not None
        ]
    )
