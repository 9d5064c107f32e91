"""TODO."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.errors import InputError
from headlines.metrics.profile import EMPTY_PROFILE, Profile
from headlines.models import registry
from headlines.readers import ReadOptions
from headlines.scoring import batch_state, prepare
from headlines.scoring.batch import Batch
from headlines.scoring.read_chunks import chunk_refs
from headlines.scoring.score_chunks import ScoreJob
from headlines.storage.artifact import Artifact, link_file, publish, remove
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES

if TYPE_CHECKING:
    pass


def commit(
    catalog: Catalog, batch: Batch, admitted: Artifact, model: Artifact, scored: list[Artifact]
) -> Artifact:
    """Publish the predictions of a batch, its rejects before them.

    What stood there before (a batch revised, or scored by another model) goes to `superseded/`.

    Raises:
        RuntimeError: rows in are not rows scored and rejected, or what was scored is not what was
            admitted; nothing is published then.
    """
    counts = admitted.counts
    pieces = chunk_refs(admitted)
    if [part.manifest.inputs[0].sha256 for part in scored] != [piece.key for piece in pieces]:
        raise RuntimeError(f"{batch.name}: what was scored is not what was admitted")
    rows = sum(part.counts["scored"] for part in scored)
    if counts["rows_in"] != rows + counts["rejected"]:
        raise RuntimeError(
            f"{batch.name}: {counts['rows_in']} rows in, but {rows} scored and "
            f"{counts['rejected']} rejected"
        )
    reading = dict(admitted.manifest.config["reading"])
    if not registry.preset_of(model).contents:
        del reading["content_column"]  # it has not been looked at
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
            link_file(part, "part.parquet", draft / f"part-{number:05d}.parquet")
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

    # Before its predictions are there: a run that is killed must not leave it scored and failed.
    batch_state.clear_failure(catalog, batch)
    prepare.publish_rejects(catalog, batch, admitted)
    predictions = publish(
        catalog, catalog.prediction(batch.name), recipe, gather_parts, keep_superseded=True
    )
    for part in scored:
        remove(catalog, part.directory)
    as_admitted = ReadOptions(**admitted.manifest.config["reading"])
    prepare.discard(catalog, batch, as_admitted, pieces)
    return predictions


def discard(catalog: Catalog, chunks: Sequence[ScoreJob]) -> None:
    """Remove the pieces of a batch that will not be scored, and what was scored of them."""
    for chunk in chunks:
        remove(catalog, chunk.directory)
        remove(catalog, catalog.root / chunk.piece.path)


def record_failure(
    catalog: Catalog, batch: Batch, reading: ReadOptions, error: InputError
) -> Artifact:
    """Put a batch that cannot be scored into `failed/`: why, and the rows that are to blame.

    The rejects of predictions that stand from before are left as they are.
    """

    def write_report(draft: Path) -> dict[str, Any]:
        text = (
            f"# {batch.name} was stopped\n\n{error.problem}\n\n- where: {error.location}\n"
            f"- how to mend it: {error.hint}\n\nIt is tried again when its bytes change, or with "
            f"`headlines score --release` and its file.\n"
        )
        (draft / "report.md").write_text(text, encoding="utf-8")
        prepare.copy_rejects(catalog, batch, reading, draft)
        return {"what": error.problem, "where": error.location, "mend": error.hint}

    batch_state.clear_failure(
        catalog, batch
    )  # what was said of it before, with other options perhaps
    recipe = batch_state.failure_recipe(catalog, batch)
    stopped = publish(catalog, catalog.failed(batch.name), recipe, write_report)
    prepare.discard(catalog, batch, reading, ())
    return stopped
