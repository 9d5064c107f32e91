"""The task that learns vectors for a model to start from."""

from headlines import pretraining
from headlines.artifact import Artifact
from headlines.catalog import Catalog
from headlines.training import preset_named
from lstm_model.inputs import InputName
from tasks.reporting import log_stage
from tasks.stage import stage


@stage("pretrain", run_name="pretrain {view} for {preset}", timeout_seconds=3600)
def pretrain_vectors(catalog: Catalog, preset: str, corpus: Artifact, view: InputName) -> Artifact:
    """Learn the vectors of a view that a preset starts from, or reuse them."""
    artifact = pretraining.pretrain_view(catalog, corpus, preset_named(preset), view)
    counts = artifact.counts
    log_stage(
        f"vectors of {view} for {preset}",
        artifact,
        f"{counts['vocabulary']} {view} of {counts['texts']} texts",
    )
    return artifact
