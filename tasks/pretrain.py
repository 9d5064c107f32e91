"""The task that learns vectors of words for a model to start from."""

from headlines import pretraining
from headlines.artifact import Artifact
from headlines.catalog import Catalog
from headlines.training import preset_named
from tasks.reporting import log_stage
from tasks.stage import stage


@stage("pretrain", run_name="pretrain {preset}", timeout_seconds=3600)
def pretrain_vectors(catalog: Catalog, preset: str, corpus: Artifact) -> Artifact:
    """Learn the vectors that a preset starts from, or reuse them."""
    artifact = pretraining.pretrain(catalog, corpus, preset_named(preset))
    counts = artifact.counts
    log_stage(
        f"vectors for {preset}",
        artifact,
        f"{counts['vocabulary']} words of {counts['texts']} texts",
    )
    return artifact
