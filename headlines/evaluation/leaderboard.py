"""Lists all models with their metrics and origins, including damaged ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headlines.errors import DamagedArtifact
from headlines.models import champion, registry
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Input, Manifest


@dataclass(frozen=True)
class ModelSummary:
    """One model.

    Attributes:
        version: its name.
        champion: whether it is the champion.
        damaged: what is damaged; empty for a good model.
        preset: name of its preset.
        dev: `rows`, `accuracy` and `macro_f1` on dev; with `intervals` if it was evaluated, else
            as its training measured them.
        test: the same on the test split; empty if it was not evaluated.
        behaviour_passed: whether it passed the behaviour checks; None if unknown.
        behaviour_checks: number of judged checks.
        behaviour_failed: names of the failed checks.
        behaviour_unknown: names of the checks whose words it does not know.
        baseline_beaten: whether it beats the linear baseline; None if unknown.
        evaluation: location of the newest evaluation, preferably on the corpus it was trained on;
            empty if it was not evaluated.
        corpus, tokens: what it was trained on: `name` and `digest` (the artifact's key).
        created_at: ISO 8601 in UTC.
        bytes: total size of its files.
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


def list_models(root: DataRoot) -> list[ModelSummary]:
    """All models by date of creation, including a champion that is missing.

    No champion is marked if `champion.json` cannot be read; `open_champion` says why.
    """
    current = champion.current_version(root)
    versions = {*registry.versions(root), *([current] if current else [])}
    return [_summarise(root, version, current) for version in sorted(versions)]


def known_evaluations(root: DataRoot, model: Artifact) -> list[Artifact]:
    """The valid evaluations of a model; those in a bucket are not fetched.

    Those on the model's training corpus come first, then the newest.
    """
    evaluations = []
    for name in root.store.list_artifacts(root.evaluations):
        if not name.startswith(f"{root.evaluations}/{model.version}-"):
            continue
        try:
            evaluation = root.store.verify(name)
        except DamagedArtifact:  # the next evaluation rebuilds it
            continue
        inputs = evaluation.manifest.inputs if evaluation else ()
        if evaluation and inputs and inputs[0].sha256 == model.manifest.key:
            evaluations.append(evaluation)
    trained_on = _keys(model.manifest.inputs)

    def rank(evaluation: Artifact) -> tuple[bool, str]:
        manifest = evaluation.manifest
        evaluated_on = _keys(manifest.inputs)[1 : 1 + len(trained_on)]
        return evaluated_on == trained_on, manifest.created_at

    return sorted(evaluations, key=rank, reverse=True)


def held_out_figures(evaluation: Manifest) -> dict[str, Any]:
    """`accuracy` and `macro_f1` on headlines that decided nothing: of test, else of dev."""
    splits = evaluation.counts["metrics"]
    figures = [splits[split]["without_leaked_titles"] for split in ("test", "dev")]
    return next((numbers for numbers in figures if numbers["rows"]), figures[-1])


def _summarise(root: DataRoot, version: str, current: str | None) -> ModelSummary:
    name = f"{root.models}/{version}"
    try:
        model = root.store.verify(name)
        damaged = "" if model else "it is missing"
    except DamagedArtifact as damage:
        model, damaged = None, damage.reason
    manifest = model.manifest if model else _readable_manifest(root, name)
    if manifest is None:
        return ModelSummary(version, version == current, damaged)
    evaluation = next(iter(known_evaluations(root, model)), None) if model else None
    counts = evaluation.counts if evaluation else {}
    metrics = {split: subsets["all"] for split, subsets in counts.get("metrics", {}).items()}
    sources = {source.path.split("/")[0]: source for source in manifest.inputs}
    return ModelSummary(
        version=version,
        champion=version == current,
        damaged=damaged,
        preset=manifest.config.get("preset", {}).get("name", ""),
        dev=metrics.get("dev", manifest.counts.get("dev", {})),
        test=metrics.get("test", {}),
        behaviour_passed=counts.get("behaviour_passed"),
        behaviour_checks=counts.get("behaviour_checks", 0),
        behaviour_failed=counts.get("behaviour_failed", ()),
        behaviour_unknown=counts.get("behaviour_unknown", ()),
        baseline_beaten=counts.get("baseline_beaten"),
        evaluation=evaluation.location if evaluation else "",
        corpus=_source(sources.get("corpus")),
        tokens=_source(sources.get("tokens")),
        created_at=manifest.created_at,
        bytes=sum(entry.bytes for entry in manifest.files),
    )


def _readable_manifest(root: DataRoot, name: str) -> Manifest | None:
    try:
        return root.store.manifest(name)
    except DamagedArtifact:
        return None


def _keys(sources: tuple[Input, ...]) -> list[str]:
    return [source.sha256 for source in sources]


def _source(source: Input | None) -> dict[str, str]:
    return {"name": Path(source.path).name, "digest": source.sha256} if source else {}
