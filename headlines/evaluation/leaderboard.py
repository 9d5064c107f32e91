"""All models with their figures and what they were made from, the damaged ones too."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headlines.errors import DamagedArtifact, InputError
from headlines.models import champion, registry
from headlines.storage.artifact import Artifact, list_artifacts, read_manifest, verify
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Input, Manifest


@dataclass(frozen=True)
class ModelSummary:
    """One model.

    Attributes:
        version: its name.
        champion: whether it scores.
        damaged: what is wrong with it; empty where nothing is.
        preset: name of the settings that it was trained with.
        dev: `rows`, `accuracy` and `macro_f1` on dev as the training saw it; where it was
            evaluated, with `intervals`.
        test: the same on the test split; empty where it was not evaluated.
        behaviour_passed: whether it passed the behaviour checks; None where that is not known.
        behaviour_checks: how many were made.
        behaviour_failed: the names of those that it failed.
        behaviour_unknown: the names of those whose words it does not know.
        baseline_beaten: whether it is better than the linear baseline; None likewise.
        evaluation: directory of the newest evaluation, on the corpus of its training if there is
            one; empty where there is none.
        corpus, tokens: what it was trained on: `name` and `digest` (the artifact's key).
        created_at: ISO 8601 in UTC.
        bytes: of its files.
    """

    version: str
    champion: bool = False
    damaged: str = ""
    preset: str = ""
    dev: dict[str, Any] = field(default_factory=dict)
    test: dict[str, Any] = field(default_factory=dict)
    behaviour_passed: bool | None = None
    behaviour_checks: int = 0
    behaviour_failed: Sequence[str] = ()
    behaviour_unknown: Sequence[str] = ()
    baseline_beaten: bool | None = None
    evaluation: str = ""
    corpus: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    created_at: str = ""
    bytes: int = 0


def list_models(catalog: Catalog) -> list[ModelSummary]:
    """All models, in order of the day they were made on; a champion that is gone is among them.

    No champion is marked where the pointer to it cannot be read: `champion.current` says why.
    """
    champion_now = _champion(catalog)
    versions = {*registry.versions(catalog), *([champion_now] if champion_now else [])}
    return [_listed(catalog, version, champion_now) for version in sorted(versions)]


def known_evaluations(catalog: Catalog, model: Artifact) -> list[Artifact]:
    """The evaluations of a model that can be read; of a bucket, they need not be here.

    Those on what it was trained on stand first, and among them the newest.
    """
    found = []
    for place in list_artifacts(catalog.reports / "evaluation"):
        if not place.name.startswith(f"{model.directory.name}-"):
            continue
        try:
            evaluation = verify(place)
        except DamagedArtifact:  # made anew by the next evaluation
            continue
        inputs = evaluation.manifest.inputs if evaluation else ()
        if evaluation and inputs and inputs[0].sha256 == model.manifest.key:
            found.append(evaluation)
    trained_on = _keys(model.manifest.inputs)

    def rank(evaluation: Artifact) -> tuple[bool, str]:
        made = evaluation.manifest
        return _keys(made.inputs)[1 : 1 + len(trained_on)] == trained_on, made.created_at

    return sorted(found, key=rank, reverse=True)


def _listed(catalog: Catalog, version: str, champion_now: str | None) -> ModelSummary:
    place = catalog.models / version
    try:
        model = verify(place)
        damaged = "" if model else "it is gone"
    except DamagedArtifact as damage:
        model, damaged = None, damage.reason
    manifest = model.manifest if model else _manifest(place)
    if manifest is None:
        return ModelSummary(version, version == champion_now, damaged)
    evaluation = next(iter(known_evaluations(catalog, model)), None) if model else None
    figures = {
        split: parts["all"]
        for split, parts in (evaluation.counts["metrics"] if evaluation else {}).items()
    }
    told = evaluation.counts if evaluation else {}
    sources = {source.path.split("/")[0]: source for source in manifest.inputs}
    return ModelSummary(
        version=version,
        champion=version == champion_now,
        damaged=damaged,
        preset=manifest.config.get("preset", {}).get("name", ""),
        dev=figures.get("dev", manifest.counts.get("dev", {})),
        test=figures.get("test", {}),
        behaviour_passed=told.get("behaviour_passed"),
        behaviour_checks=told.get("behaviour_checks", 0),
        behaviour_failed=told.get("behaviour_failed", ()),
        behaviour_unknown=told.get("behaviour_unknown", ()),
        baseline_beaten=told.get("baseline_beaten"),
        evaluation=str(evaluation.directory) if evaluation else "",
        corpus=_source(sources.get("corpus")),
        tokens=_source(sources.get("tokens")),
        created_at=manifest.created_at,
        bytes=sum(entry.bytes for entry in manifest.files),
    )


def _champion(catalog: Catalog) -> str | None:
    try:
        promotions = champion.history(catalog)
    except InputError:
        return None
    return promotions[-1].version if promotions else None


def _manifest(place: Path) -> Manifest | None:
    try:
        return read_manifest(place)
    except DamagedArtifact:
        return None


def _keys(sources: tuple[Input, ...]) -> list[str]:
    return [source.sha256 for source in sources]


def _source(source: Input | None) -> dict[str, str]:
    return {"name": Path(source.path).name, "digest": source.sha256} if source else {}
