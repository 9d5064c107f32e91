"""TODO."""

import json
import socket
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headlines.errors import InputError
from headlines.hashing import json_digest
from headlines.models import registry
from headlines.storage.artifact import Artifact
from headlines.storage.layout import Catalog

if TYPE_CHECKING:
    from lstm_model.packed import PackedScorer


def model_files_digest(model: Artifact) -> str:
    """Digest of all files of a model: two of one version and key may differ in them."""
    return json_digest({entry.path: entry.sha256 for entry in model.manifest.files})


def cached_scorer(
    root: str, version: str, files: str, segmenter: Mapping[str, Any]
) -> "PackedScorer":
    """What scores with a model, in a worker: loaded once a process.

    Args:
        root: the data root.
        version: of the model.
        files: what `digest_of_files` gave of the model where the run is.
        segmenter: the fingerprint of what cuts the words that are scored.

    Raises:
        InputError: the model that lies here is another one, or cannot be used with these words.
    """
    return _scorer(root, version, files, json.dumps(segmenter, sort_keys=True))


@lru_cache(maxsize=2)
def _scorer(root: str, version: str, files: str, segmenter: str) -> "PackedScorer":
    import threadpoolctl

    # One BLAS thread: the workers share the cores, and sums round the same on every machine.
    threadpoolctl.threadpool_limits(1, "blas")
    model = registry.open_model(Catalog(Path(root)), version)
    if (found := model_files_digest(model)) != files:
        raise InputError(
            f"the model {version} is another one here (files {found[:8]} instead of {files[:8]})",
            f"{model.directory} on {socket.gethostname()}",
            "have all machines use one data root, or copy the model there again",
        )
    return registry.load_scorer(model, json.loads(segmenter))
