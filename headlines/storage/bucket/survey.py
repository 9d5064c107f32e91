"""What one listing of some folders told of the artifacts in them, until it is out of date."""

import threading
from collections.abc import Iterable, Mapping

from headlines.storage.bucket.objects import ObjectInfo


class ListingSnapshot:
    """The objects of each artifact right below some folders, as they were when they were listed.

    Args:
        folders: their names.
        objects: all that is below them.
    """

    def __init__(self, folders: Iterable[str], objects: Iterable[ObjectInfo]) -> None:
        self._folders = frozenset(folders)
        self._found: dict[str, dict[str, ObjectInfo] | None] = {}
        self._lock = threading.Lock()
        for one in objects:
            directory = "/".join(one.name.split("/")[:2])
            inside = self._found.setdefault(directory, {})
            assert inside is not None
            inside[one.name] = one

    def objects_of(self, directory: str) -> Mapping[str, ObjectInfo] | None:
        """The objects of an artifact by name; None where the listing does not tell."""
        with self._lock:
            if directory.split("/")[0] not in self._folders:
                return None
            return self._found.get(directory, {})

    def forget(self, directory: str) -> None:
        """Tell no more of an artifact that was, or may have been, replaced since."""
        with self._lock:
            if directory in self._found or directory.split("/")[0] in self._folders:
                self._found[directory] = None

    def by_directory(self) -> dict[str, dict[str, ObjectInfo]]:
        """All that is told, by directory."""
        with self._lock:
            return {name: seen for name, seen in self._found.items() if seen is not None}
