"""Loads the models that workers score with, each once a process."""

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
    """Digest of all files of a model: two of one version and key may differ in them."""
    return json_digest({entry.path: entry.sha256 for entry in model.manifest.files})


def cached_scorer(
    root: DataRoot, version: str, files: str, segmenter: Mapping[str, Any]
) -> "PackedScorer":
    """The scorer of a model, loaded once a process.

    Args:
        root: the data root.
        version: of the model.
        files: `model_files_digest` of the model on the machine of the run.
        segmenter: the fingerprint of the segmenter of what is scored.

    Raises:
        InputError: this machine has a different copy of the model, or the model was trained with a
            different segmenter.
    """
    return _scorer(root, version, files, json.dumps(segmenter, sort_keys=True))


@lru_cache(maxsize=2)
def _scorer(root: DataRoot, version: str, files: str, segmenter: str) -> "PackedScorer":
    import threadpoolctl

    # One BLAS thread: the workers share the cores, and sums round the same on every machine.
    threadpoolctl.threadpool_limits(1, "blas")
    model = registry.open_model(root, version)
    if (own_files := model_files_digest(model)) != files:
        raise InputError(
            f"this machine has a different copy of the model {version} (files {own_files[:8]} "
            f"instead of {files[:8]})",
            f"{model.location} on {socket.gethostname()}",
            "have all machines use one data root, or copy the model there again",
        )
    return registry.load_scorer(model, json.loads(segmenter))
