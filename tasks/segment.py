"""The task that segments a corpus."""

from headlines import tokens
from headlines.artifact import Artifact
from headlines.catalog import Catalog
from tasks.reporting import log_stage
from tasks.stage import stage


@stage("segment", run_name="segment {name}", tags=["tokens"], timeout_seconds=3600)
def segment_corpus(catalog: Catalog, name: str, corpus: Artifact) -> Artifact:
    """Make the token cache of a corpus, or reuse it."""
    artifact = tokens.segment_corpus(catalog, corpus)
    segmented = 0 if artifact.reused else artifact.counts["segmented"]
    log_stage(f"tokens of {name}", artifact, f"{segmented} headlines segmented")
    return artifact
