"""What a flow returns: plain data, which `--json` prints."""

from typing import Any

from headlines.storage.artifact import Artifact


def result_of(artifact: Artifact) -> dict[str, Any]:
    """A flow's result from the artifact that it built."""
    return {
        "artifact": artifact.location,
        "reused": artifact.reused,
        "key": artifact.manifest.key,
        "rows": artifact.rows,
        "counts": artifact.counts,
        "seconds": artifact.manifest.seconds,
    }


def evaluation_result(evaluation: Artifact) -> dict[str, Any]:
    """The result of an evaluation, with the path of its report on this machine."""
    return {**result_of(evaluation), "report": str(evaluation.directory / "report.html")}
