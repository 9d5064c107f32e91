"""The task that pretrains word vectors."""

from headlines.models.presets import resolve_preset
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.training import pretrain
from lstm_model.inputs import InputName
from tasks.reporting import log_stage
from tasks.stage import stage


@stage("pretrain", run_name="pretrain {view} for {preset}", timeout_seconds=3600)
def pretrain_vectors(root: DataRoot, preset: str, corpus: Artifact, view: InputName) -> Artifact:
    """Learn the vectors of one input of a preset, unless they are up to date."""
    artifact = pretrain.pretrain_view(root, corpus, resolve_preset(preset, root.file), view)
    counts = artifact.counts
    log_stage(
        f"vectors of {view} for {preset}",
        artifact,
        f"{counts['vocabulary']} {view} of {counts['texts']} texts",
    )
    return artifact
