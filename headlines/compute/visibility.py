"""Waits until an artifact that another machine published is visible on this one."""

import contextlib
import os
import time

from headlines.errors import ClusterError, DamagedArtifact
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot

_TIMEOUT_SECONDS = 60  # network file systems cache lookups for at most so long
_POLL_SECONDS = 0.2


def wait_until_visible(root: DataRoot, published: Artifact) -> Artifact:
    """An artifact that a worker has published, once this process sees it.

    On one machine it is there at once. NFS guarantees no more than that a file opened after it was
    closed is current; a new directory may appear some seconds later.

    Raises:
        ClusterError: it does not appear within a minute: the worker has another data root.
    """
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        with contextlib.suppress(DamagedArtifact):  # its manifest may appear before its content
            manifest = root.store.manifest(published.name)
            if manifest is not None and manifest.key == published.manifest.key:
                return published
        if time.monotonic() > deadline:
            raise ClusterError(
                f"a worker has published {published.location}, but it is not visible here; all "
                "machines must use the same data root"
            )
        time.sleep(_POLL_SECONDS)
        with contextlib.suppress(OSError):
            os.listdir(published.directory.parent)  # has NFS ask its server again  # noqa: PTH208
