"""The task that segments a corpus."""

from headlines.corpus import tokens
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tasks.reporting import log_stage
from tasks.stage import stage


@stage("segment", run_name="segment {name}", timeout_seconds=3600)
def segment_corpus(root: DataRoot, name: str, corpus: Artifact) -> Artifact:
    """Segment the headlines of a corpus, unless that is up to date."""
    artifact = tokens.segment_corpus(root, corpus)
    counts = artifact.counts
    segmented = 0 if artifact.reused else counts["segmented"]
    cached = artifact.rows if artifact.reused else counts["reused"]
    log_stage(f"tokens of {name}", artifact, f"{segmented} headlines segmented, {cached} reused")
    return artifact
