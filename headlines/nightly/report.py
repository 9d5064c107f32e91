"""The report of a night: what was scored and rejected, and whether it looks like news before it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from headlines.metrics.drift import LEAST_ROWS, Finding
from headlines.metrics.profile import Profile
from headlines.nightly.charts import drift_chart, trend_chart
from headlines.nightly.history import NightRecord, NightSummary
from headlines.nightly.samples import samples_by_class
from headlines.reports.rendering import rendered
from headlines.storage.documents import write_document
from headlines.storage.layout import Catalog

_SKIPPED = 20  # files named in the summary; the report has all
_WAITING = 3  # batches named in the verdict; summary and report have all
_OTHERS = ("stopped", "waiting", "settling")  # outcomes but scored, what calls for a person first
_FINDINGS = {
    "labels": "classes",
    "length": "length",
    "unknown": "unknown words",
    "confidence": "confidence",
}


def write_nightly_report(catalog: Catalog, path: Path, title: str, night: NightSummary) -> None:
    """Write the report of a night; the same night gives the same bytes.

    Args:
        catalog: the data root.
        path: of the HTML file.
        title: time of the night.
        night: what became of it.
    """
    reasons: Counter[str] = Counter()
    for result in night.scored:
        reasons.update(result.reasons)
    predictions = [Path(result.predictions) for result in night.scored if result.predictions]
    nights = [*night.before, NightRecord(title, night.model, night.profile)]
    shown = [one for one in nights if one.profile.rows]
    content = rendered(
        "nightly.html",
        kind="Nightly run",
        title=f"Night of {_moment(title)} UTC",
        verdict=verdict(night),
        model=night.model,
        # What calls for a person first.
        batches=sorted(map(asdict, night.batches), key=lambda one: _urgency(one["outcome"])),
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
        nights=[(_moment(one.title), one.model, one.profile) for one in shown],
        courses=_courses(shown, night.reference) if shown else [],
        findings=[(_FINDINGS[finding.name], finding) for finding in night.drift],
        drift=_drift(night.drift) if night.profile.rows and night.reference.rows else None,
        least_rows=LEAST_ROWS,
        samples=samples_by_class(predictions),
    )
    write_document(catalog, path, content.encode())


def verdict(night: NightSummary) -> str:
    """What a night comes to, in one sentence: how much was scored, and what calls for a person."""
    scored = sum(result.scored for result in night.scored)
    rejected = sum(result.rejected for result in night.scored)
    stopped, waiting = len(_names(night, "stopped")), _names(night, "waiting")
    done = f"{scored:,} headlines scored, {rejected:,} rows rejected"
    told = [done if night.scored else "Nothing was scored"]
    if without := sum(result.without_content for result in night.scored):
        told.append(f"{without:,} labelled by their titles for want of an article")
    if stopped:
        told.append(f"{stopped} {'batch' if stopped == 1 else 'batches'} stopped")
    if waiting:
        wait = "batch waits" if len(waiting) == 1 else "batches wait"
        more = f" and {len(waiting) - _WAITING} more" if len(waiting) > _WAITING else ""
        names = ", ".join(waiting[:_WAITING]) + more
        told.append(f"{len(waiting)} {wait} for a person: {names}")
    told += _drift_in_words(night)
    return f"{'; '.join(told)}."


def night_summary(night: NightSummary, report: Path) -> str:
    """The night in a few lines of markdown."""
    outcomes = Counter(result.outcome for result in night.batches)
    numbers = {**outcomes, "reused": night.reused, **night.left_out}
    told = ", ".join(f"{number} {outcome}" for outcome, number in numbers.items() if number)
    lines = [
        f"**{verdict(night)}**",
        "",
        f"- model: `{night.model}`",
        f"- batches: {told or 'none'}",
        f"- headlines scored: {sum(result.scored for result in night.scored)}",
        f"- rows rejected: {sum(result.rejected for result in night.scored)}",
        f"- files that are no batches: {len(night.skipped)}",
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


def _names(night: NightSummary, outcome: str) -> list[str]:
    """The batches of that outcome."""
    return [result.batch for result in night.batches if result.outcome == outcome]


def _urgency(outcome: str) -> int:
    """Places what calls for a person first, and what was just stopped before what waits."""
    return {"stopped": 0, "waiting": 1}.get(outcome, 2)


def _drift_in_words(night: NightSummary) -> list[str]:
    if not night.profile.rows:
        return []
    if not night.reference.rows:
        return ["drift is not judged, for want of headlines of dev"]
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


def _courses(nights: Sequence[NightRecord], reference: Profile) -> list[str]:
    names = _short_names([one.title for one in nights])
    profiles = [one.profile for one in nights]
    return [
        trend_chart(what, names, [shares(one) for one in profiles], shares(reference))
        for what, shares in (("Class shares", _classes), ("Confidence and words", _means))
    ]


def _short_names(titles: Sequence[str]) -> list[str]:
    """Month and day of each night, with as much of its time as tells it from the others."""
    forms: list[Callable[[str], str]] = [
        lambda title: title[5:10],
        lambda title: f"{title[5:10]} {title[11:13]}h",
        lambda title: f"{title[5:10]} {title[11:13]}:{title[13:15]}",
        lambda title: f"{title[5:10]} {title[11:13]}:{title[13:15]}:{title[15:17]}",
    ]
    names: dict[str, str] = {}
    for form in reversed(forms):  # the shortest that is a night's own, and else the longest
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
