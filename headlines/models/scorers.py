"""Loads a model's scorer in a worker, once a process, and checks that it is the right copy."""

import json
import socket
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from headlines.errors import InputError
from headlines.hashing import json_digest
from headlines.models import registry
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot

if TYPE_CHECKING:
    from lstm_model.packed import PackedScorer


def model_files_digest(model: Artifact) -> str:
    """Digest of all files of a model: two with the same version and key may differ in them."""
    return json_digest({entry.path: entry.sha256 for entry in model.manifest.files})


def cached_scorer(
    root: DataRoot, version: str, files_digest: str, segmenter: Mapping[str, Any]
) -> "PackedScorer":
    """The scorer of a model, loaded once a process.

    Args:
        root: the data root.
        version: of the model.
        files_digest: `model_files_digest` of the model on the machine of the run.
        segmenter: fingerprint of the segmenter of the words to score.

    Raises:
        InputError: this machine has a different copy of the model, or it cannot be used with these
            words.
    """
    return _load_scorer(root, version, files_digest, json.dumps(segmenter, sort_keys=True))


@lru_cache(maxsize=2)
def _load_scorer(root: DataRoot, version: str, files_digest: str, segmenter: str) -> "PackedScorer":
    import threadpoolctl

    # One BLAS thread: workers share the cores, and sums round the same on every machine.
    threadpoolctl.threadpool_limits(1, "blas")
    model = registry.open_model(root, version)
    if (local_digest := model_files_digest(model)) != files_digest:
        raise InputError(
            f"this machine has a different copy of the model {version} (files {local_digest[:8]} "
            f"instead of {files_digest[:8]})",
            f"{model.location} on {socket.gethostname()}",
            "use one data root on all machines, or copy the model there again",
        )
    return registry.load_scorer(model, json.loads(segmenter))
