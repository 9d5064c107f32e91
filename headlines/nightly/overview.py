"""`reports/index.html`: one page that links all nights, models, evaluations and reviews."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headlines.errors import DamagedArtifact
from headlines.models import champion, registry
from headlines.nightly.charts import trend_chart
from headlines.nightly.history import NightRecord, nights
from headlines.nightly.names import night_time, short_names
from headlines.reports.messages import Messages
from headlines.reports.rendering import render_page
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Manifest

_NIGHTS = 90  # nights in the table
_IN_CHART = 14  # nights in the chart: two weeks


@dataclass(frozen=True)
class _Report:
    """An evaluation in the table."""

    link: str
    version: str
    created_at: str
    metrics: dict[str, Any]
    baseline_beaten: bool | None


@dataclass(frozen=True)
class _Review:
    """A review in the table; without labels `labelled` is 0."""

    name: str
    created_at: str
    asked: int
    by_lot: int
    labelled: int
    people: int
    kappa: float | None


def write_overview(root: DataRoot) -> Path:
    """Write the page, from what is in the data root now.

    Records of nights, models, evaluations and reviews that are damaged are left out.

    Returns:
        The path of the HTML file on this machine.
    """
    latest_first = nights(root, _NIGHTS)
    models = sorted(
        registry.manifests(root).items(), key=lambda item: item[1].created_at, reverse=True
    )
    current = champion.current_version(root)
    with_rows = [night for night in latest_first if night.profile.rows][:_IN_CHART][::-1]
    _ = Messages(root.settings.language)
    content = render_page(
        "overview.html",
        _,
        kind=_("Overview"),
        title=_("All reports"),
        verdict=_verdict(latest_first, current, _),
        nights=[(night_time(night.title), night) for night in latest_first],
        models=models,
        champion=current,
        evaluations=_evaluations(root),
        reviews=_reviews(root),
        trend=_trend(with_rows, _) if with_rows else None,
    )
    return root.store.write_document(root.overview, content.encode())


def _verdict(latest_first: list[NightRecord], current: str | None, _: Messages) -> str:
    parts = [_("No night has run yet")]
    if latest_first:
        parts = [_("The last night was %(time)s UTC", time=night_time(latest_first[0].title))]
    if current:
        parts.append(_("the champion is %(version)s", version=current))
    else:
        parts.append(_("there is no champion"))
    return _("; ").join(parts) + _(".")


def _evaluations(root: DataRoot) -> list[_Report]:
    """All readable evaluations, the newest first."""
    return [
        _Report(
            link=f"{name.removeprefix('reports/')}/report.html",
            version=name.split("/")[-1].rsplit("-", 1)[0],
            created_at=manifest.created_at,
            metrics=manifest.counts["metrics"],
            baseline_beaten=manifest.counts.get("baseline_beaten"),
        )
        for name, manifest in _newest_first(root, root.evaluations)
    ]


def _reviews(root: DataRoot) -> list[_Review]:
    """All readable reviews, the newest first."""
    labels = {
        name.split("/")[-1]: manifest.counts for name, manifest in _newest_first(root, root.labels)
    }
    reviews = []
    for location, manifest in _newest_first(root, root.asked):
        name = location.split("/")[-1]
        counts = labels.get(name, {})
        reviews.append(
            _Review(
                name=name,
                created_at=manifest.created_at,
                asked=manifest.counts["headlines"],
                by_lot=manifest.counts["by_lot"],
                labelled=counts.get("labelled", 0),
                people=len(counts.get("people", ())),
                kappa=counts["agreement"]["kappa"] if counts else None,
            )
        )
    return reviews


def _newest_first(root: DataRoot, folder: str) -> list[tuple[str, Manifest]]:
    """The names of the artifacts in a folder and their manifests, as far as they can be read."""
    readable: list[tuple[str, Manifest]] = []
    for name in root.store.list_artifacts(folder):
        try:
            manifest = root.store.manifest(name)
        except DamagedArtifact:
            continue
        if manifest is not None:
            readable.append((name, manifest))
    return sorted(readable, key=lambda item: item[1].created_at, reverse=True)


def _trend(records: list[NightRecord], _: Messages) -> str:
    shares = [
        {name: share or 0.0 for name, share in night.profile.label_shares.items()}
        for night in records
    ]
    names = short_names([night.title for night in records])
    return trend_chart("Class shares", names, shares, {}, _)
