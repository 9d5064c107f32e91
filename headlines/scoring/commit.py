"""Ends the scoring of a batch: publishes its predictions, or records why it cannot be scored."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headlines.errors import InputError
from headlines.metrics.profile import EMPTY_PROFILE, Profile
from headlines.models import registry
from headlines.scoring import batch_state, prepare
from headlines.scoring.batch import Batch
from headlines.scoring.chunks import chunk_refs
from headlines.scoring.options import ScoreOptions
from headlines.scoring.score_chunks import PREDICTIONS_FILE, ScoreJob
from headlines.storage.artifact import Artifact, link_file, publish, remove
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES


def commit(
    catalog: Catalog, batch: Batch, prepared: Artifact, model: Artifact, scored: Sequence[Artifact]
) -> Artifact:
    """Publish the predictions of a batch, its rejects before them.

    Earlier predictions (the batch was revised, or scored by another model) go to `superseded/`.

    Args:
        catalog: the data root.
        batch: the batch.
        prepared: what was read of it.
        model: what scored it.
        scored: the predictions of its chunks, in order.

    Raises:
        RuntimeError: rows in are not rows scored and rejected, or the predictions are not of these
            chunks; nothing is published then.
    """
    counts = prepared.counts
    chunks = chunk_refs(prepared)
    if [part.manifest.inputs[0].sha256 for part in scored] != [chunk.key for chunk in chunks]:
        raise RuntimeError(f"{batch.name}: the scored chunks are not those that were read")
    rows = sum(part.counts["scored"] for part in scored)
    if counts["rows_in"] != rows + counts["rejected"]:
        raise RuntimeError(
            f"{batch.name}: {counts['rows_in']} rows in, but {rows} scored and "
            f"{counts['rejected']} rejected"
        )
    reading = dict(prepared.manifest.config["reading"])
    if not registry.preset_of(model).contents:
        del reading["content_column"]  # the model has not read it
    recipe = Recipe(
        "predictions",
        STAGES["predictions"].version,
        (batch.as_source(catalog, counts["rows_in"]), model.as_source(catalog)),
        {
            "batch": batch.name,
            "reading": reading,
            "segmenter": scored[0].manifest.config["segmenter"],
        },
    )

    def gather_parts(draft: Path) -> dict[str, Any]:
        profile, without_content = EMPTY_PROFILE, 0
        for number, part in enumerate(scored):
            link_file(part, PREDICTIONS_FILE, draft / f"part-{number:05d}.parquet")
            profile += Profile.from_dict(part.counts["profile"])
            without_content += part.counts["without_content"]
        return {
            "model": model.directory.name,
            "rows_in": counts["rows_in"],
            "scored": rows,
            "rejected": counts["rejected"],
            "without_content": without_content,
            "reasons": counts["reasons"],
            "cut": counts["cut"],
            "labels": profile.labels,
            "profile": profile.to_dict(),
        }

    # Before the predictions: a run that is killed here must not leave the batch scored and failed.
    batch_state.clear_failure(catalog, batch)
    prepare.publish_rejects(catalog, batch, prepared)
    predictions = publish(
        catalog, catalog.prediction(batch.name), recipe, gather_parts, keep_superseded=True
    )
    for part in scored:
        remove(catalog, part.directory)
    for chunk in chunks:
        remove(catalog, catalog.root / chunk.path)
    remove(catalog, prepared.directory)
    return predictions


def discard(
    catalog: Catalog, batch: Batch, options: ScoreOptions, jobs: Sequence[ScoreJob]
) -> None:
    """Remove what was read and scored of a batch that will not be committed."""
    for job in jobs:
        remove(catalog, job.directory)
    prepare.remove_prepared(catalog, batch, options, (job.chunk for job in jobs))


def record_failure(
    catalog: Catalog, batch: Batch, options: ScoreOptions, error: InputError
) -> Artifact:
    """Put a batch that cannot be scored into `failed/`: the reason, and the rows that caused it.

    The rejects of earlier predictions are left as they are.
    """

    def write_report(draft: Path) -> dict[str, Any]:
        text = (
            f"# {batch.name} was stopped\n\n{error.problem}\n\n- where: {error.location}\n"
            f"- how to fix it: {error.hint}\n\nIt is tried again when its bytes change, or with "
            f"`headlines score --release` and its file.\n"
        )
        (draft / "report.md").write_text(text, encoding="utf-8")
        prepare.copy_rejects(catalog, batch, options, draft)
        return {"what": error.problem, "where": error.location, "mend": error.hint}

    batch_state.clear_failure(catalog, batch)  # recorded with other options, perhaps
    recipe = batch_state.failure_recipe(catalog, batch)
    return publish(catalog, catalog.failed(batch.name), recipe, write_report)
