"""The task that ingests a corpus."""

from headlines.corpus import dataset, ingest
from headlines.readers import ReadOptions
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tasks.reporting import log_stage, show_table
from tasks.stage import stage


@stage("ingest", run_name="ingest {name}", timeout_seconds=1800)
def ingest_corpus(root: DataRoot, name: str, source: str, options: ReadOptions) -> Artifact:
    """Ingest a corpus, unless it is up to date with its source."""
    return _shown(name, ingest.ingest(root, name, source, options))


@stage("corpus", run_name="corpus {name}", timeout_seconds=1800)
def ensure_corpus(root: DataRoot, name: str) -> Artifact:
    """The corpus as it is; the iNews corpus is ingested if it is missing."""
    return _shown(name, dataset.ensure(root, name))


def _shown(name: str, artifact: Artifact) -> Artifact:
    log_stage(f"corpus {name}", artifact, f"{artifact.counts['rows']} headlines")
    rows = [
        {"split": split, "rows": numbers["rows"], **numbers["labels"], "leaked": numbers["leaked"]}
        for split, numbers in artifact.counts["splits"].items()
    ]
    show_table(f"corpus-{name}", rows, f"Corpus {name} by split and label")
    return artifact
