"""What a worker has published, seen from the machine that asked for it."""

import contextlib
import os
import time

from headlines.artifact import Artifact, read_manifest
from headlines.errors import ClusterError, DamagedArtifact

_WAIT_SECONDS = 60  # network file systems believe what they have looked up for at most so long
_LOOK_SECONDS = 0.2


def arrived(made: Artifact) -> Artifact:
    """An artifact that another process says it has published, once it is seen here.

    Where both use one machine it is there at once. A network file system that promises no more
    than what is opened after it was closed may show a new directory some seconds later.

    Raises:
        ClusterError: it does not show in a minute: the data root there is another one.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        with contextlib.suppress(DamagedArtifact):  # its manifest may show before its content
            manifest = read_manifest(made.directory)
            if manifest is not None and manifest.key == made.manifest.key:
                return made
        if time.monotonic() > deadline:
            raise ClusterError(
                f"a worker has published {made.directory}, but it is not seen here; have all "
                "machines use one data root"
            )
        time.sleep(_LOOK_SECONDS)
        with contextlib.suppress(OSError):
            os.listdir(made.directory.parent)  # noqa: PTH208  # has NFS ask its server again
