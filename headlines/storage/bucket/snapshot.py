"""What one listing of some folders says of the artifacts in them, until it is out of date."""

import threading
from collections.abc import Iterable, Mapping

from headlines.storage.bucket.objects import ObjectInfo


class ListingSnapshot:
    """The objects of each artifact right below some folders, as they were when listed.

    Args:
        folders: their names.
        objects: all that is below them.
    """

    def __init__(self, folders: Iterable[str] = (), objects: Iterable[ObjectInfo] = ()) -> None:
        self._folders = frozenset(folders)
        self._artifacts: dict[str, dict[str, ObjectInfo] | None] = {}
        self._lock = threading.Lock()
        for info in objects:
            artifact = "/".join(info.name.split("/")[:2])
            inside = self._artifacts.setdefault(artifact, {})
            assert inside is not None
            inside[info.name] = info

    def objects_of(self, artifact: str) -> Mapping[str, ObjectInfo] | None:
        """The objects of an artifact by name; None where the listing does not say."""
        with self._lock:
            if artifact.split("/")[0] not in self._folders:
                return None
            return self._artifacts.get(artifact, {})

    def forget(self, artifact: str) -> None:
        """Say nothing more of an artifact that was, or may have been, replaced since."""
        with self._lock:
            if artifact.split("/")[0] in self._folders:
                self._artifacts[artifact] = None

    def by_artifact(self) -> dict[str, dict[str, ObjectInfo]]:
        """All that is known, by the name of the artifact."""
        with self._lock:
            return {name: seen for name, seen in self._artifacts.items() if seen is not None}
