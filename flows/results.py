"""What a flow returns: plain data, the same that `--json` prints."""

from typing import Any

from headlines.storage.artifact import Artifact


def result_of(artifact: Artifact) -> dict[str, Any]:
    """An artifact as a flow's result."""
    return {
        "artifact": str(artifact.directory),
        "reused": artifact.reused,
        "key": artifact.manifest.key,
        "rows": artifact.rows,
        "counts": artifact.counts,
        "seconds": artifact.manifest.seconds,
    }
