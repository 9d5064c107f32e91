"""What a flow returns: plain data, which `--json` prints."""

from typing import Any

from headlines.storage.artifact import Artifact


def result_of(artifact: Artifact) -> dict[str, Any]:
    """A flow's result from the artifact that it built."""
    return {
        "artifact": str(artifact.directory),
        "reused": artifact.reused,
        "key": artifact.manifest.key,
        "rows": artifact.rows,
        "counts": artifact.counts,
        "seconds": artifact.manifest.seconds,
    }
