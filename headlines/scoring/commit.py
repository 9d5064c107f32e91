"""Ends the scoring of a batch: publishes its predictions, or records why it cannot be scored."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from headlines.errors import InputError
from headlines.metrics.profile import EMPTY_PROFILE, Profile
from headlines.models import registry
from headlines.scoring import batch_state, prepare
from headlines.scoring.batch import Batch
from headlines.scoring.chunks import chunk_refs
from headlines.scoring.options import ScoreOptions
from headlines.scoring.score_chunks import PREDICTION_SCHEMA, PREDICTIONS_FILE, ScoreJob
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES


def commit(
    root: DataRoot, batch: Batch, prepared: Artifact, model: Artifact, scored: Sequence[Artifact]
) -> Artifact:
    """Publish the predictions of a batch, its rejects before them.

    Earlier predictions (the batch was revised, or scored by another model) go to `superseded/`.

    Args:
        root: the data root.
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
        (batch.as_source(root, counts["rows_in"]), model.as_source()),
        {
            "batch": batch.name,
            "reading": reading,
            "segmenter": (scored[0] if scored else model).manifest.config["segmenter"],
        },
    )

    def gather_parts(draft: Path) -> dict[str, Any]:
        profile, without_content = EMPTY_PROFILE, 0
        for number, part in enumerate(scored):
            target = draft / f"part-{number:05d}.parquet"
            root.store.link_file(part, PREDICTIONS_FILE, target)
            profile += Profile.from_dict(part.counts["profile"])
            without_content += part.counts["without_content"]
        if not scored:  # so that readers of the dataset find its columns
            pq.write_table(PREDICTION_SCHEMA.empty_table(), draft / "part-00000.parquet")
        return {
            "model": model.version,
            "rows_in": counts["rows_in"],
            "scored": rows,
            "rejected": counts["rejected"],
            "without_content": without_content,
            "reasons": counts["reasons"],
            "warnings": counts["warnings"],
            "cut": counts["cut"],
            "labels": profile.labels,
            "profile": profile.to_dict(),
        }

    # Before the predictions: a run that is killed here must not leave the batch scored and failed.
    batch_state.clear_failure(root, batch)
    prepare.publish_rejects(root, batch, prepared)
    predictions = root.store.publish(
        root.predictions_of(batch.name), recipe, gather_parts, keep_old=True
    )
    for name in (
        *(part.name for part in scored),
        *(chunk.path for chunk in chunks),
        prepared.name,
    ):
        root.store.remove(name)
    return predictions


def discard(root: DataRoot, batch: Batch, options: ScoreOptions, jobs: Sequence[ScoreJob]) -> None:
    """Remove what was read and scored of a batch that will not be committed."""
    for job in jobs:
        root.store.remove(job.target)
    prepare.remove_prepared(root, batch, options, (job.chunk for job in jobs))


def record_failure(
    root: DataRoot, batch: Batch, options: ScoreOptions, error: InputError
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
        prepare.copy_rejects(root, batch, options, draft)
        return {"what": error.problem, "where": error.location, "mend": error.hint}

    batch_state.clear_failure(root, batch)  # recorded with other options, perhaps
    recipe = batch_state.failure_recipe(root, batch)
    return root.store.publish(root.failure_of(batch.name), recipe, write_report)
