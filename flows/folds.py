"""The flow `folds`: a preset on rows of train that its models have not seen."""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from flows.local_run import run_flow
from flows.logs import hide_expected_tracebacks
from flows.results import result_of
from headlines.models.presets import resolve_preset
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot
from headlines.training.folds import MAX_FOLDS, MIN_FOLDS
from tasks.folds import publish_folds, train_fold
from tasks.ingest import ensure_corpus
from tasks.segment import segment_corpus

hide_expected_tracebacks()

Folds = Annotated[int, Field(ge=MIN_FOLDS, le=MAX_FOLDS)]


@flow(name="folds", flow_run_name="{preset} on {folds} folds of {corpus}")
def folds(preset: str = "default", corpus: str = "inews", folds: Folds = 4) -> dict[str, Any]:
    """Train a preset once for each fold of train, without it, and label the fold.

    No model is kept, and the champion stays. Folds that were trained before are not trained again.

    Args:
        preset: name of a preset, or the path of a preset file.
        corpus: its name; `inews` is ingested if it is missing.
        folds: how many; the same headline is always in the same fold.
    """
    root = DataRoot.from_settings(Settings.from_environment())
    resolved = resolve_preset(preset, root.file)
    ingested = ensure_corpus(root, corpus)
    tokens = segment_corpus(root, corpus, ingested)
    parts = [
        train_fold(root, ingested, tokens, resolved, number, folds)
        for number in range(1, folds + 1)
    ]
    artifact = publish_folds(root, ingested, resolved, parts)
    return {
        **result_of(artifact),
        "preset": resolved.name,
        "doubted": f"{artifact.location}/doubted.csv",
    }


if __name__ == "__main__":
    run_flow("folds")
