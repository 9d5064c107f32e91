"""The task that ingests a corpus."""

from headlines.corpus import dataset, ingest
from headlines.readers import ReadOptions
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tasks.reporting import log_stage, show_table
from tasks.stage import stage


@stage("ingest", run_name="ingest {name}", timeout_seconds=1800)
def ingest_corpus(
    root: DataRoot,
    name: str,
    source: str,
    options: ReadOptions,
    max_reject_rate: float,
    max_rejects: int,
) -> Artifact:
    """Ingest a corpus, unless it is up to date with its source."""
    artifact = ingest.ingest(
        root,
        name,
        source,
        options,
        max_reject_rate=max_reject_rate,
        max_rejects=max_rejects,
    )
    return _shown(name, artifact)


@stage("corpus", run_name="corpus {name}", timeout_seconds=1800)
def ensure_corpus(root: DataRoot, name: str) -> Artifact:
    """The corpus as it is; the iNews corpus is ingested if it is missing."""
    return _shown(name, dataset.ensure(root, name))


def _shown(name: str, artifact: Artifact) -> Artifact:
    counts = artifact.counts
    detail = f"{counts['rows']} headlines, {counts['rejected']} rows rejected"
    log_stage(f"corpus {name}", artifact, detail)
    rows = [
        {
            "split": split,
            "rows": numbers["rows"],
            **numbers["labels"],
            **{name: numbers[name] for name in ("soft_labels", "weights") if name in numbers},
            "leaked": numbers["leaked"],
        }
        for split, numbers in artifact.counts["splits"].items()
    ]
    show_table(f"corpus-{name}", rows, f"Corpus {name} by split and label")
    return artifact
