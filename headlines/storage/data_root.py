"""The data root: opened once, and handed to all that reads or writes below it."""

import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from headlines.errors import InputError
from headlines.settings import Settings
from headlines.storage.layout import CHECKPOINT_PREFIXES, SHARED_WORK, WORK, Layout
from headlines.storage.local_store import LocalStore
from headlines.storage.store import Store

_DEFAULTS = Settings()


@dataclass(frozen=True)
class DataRoot(Layout):
    """A data root: its store, and by `Layout` the names of everything in it.

    It can be sent to another process or machine, where it is opened again by its URL.

    Attributes:
        store: reads and writes it.
        settings: where work on it runs, and what segments its headlines.
    """

    store: Store
    settings: Settings = field(default=_DEFAULTS, compare=False, repr=False)

    @classmethod
    def open(cls, url: str | Path, settings: Settings = _DEFAULTS) -> "DataRoot":
        """The data root in a directory, which need not exist, or in a bucket.

        Raises:
            InputError: the URL or the settings of its store cannot be used.
        """
        directory = machine_directory(str(url))
        if "://" not in str(url):
            return cls(_local(directory), settings)
        from headlines.storage.bucket.address import parse_url

        return cls(_bucket(parse_url(str(url)), directory, os.getpid()), settings)

    @classmethod
    def from_settings(cls, settings: Settings) -> "DataRoot":
        """The data root that the settings name."""
        return cls.open(settings.data_root, settings)

    def __reduce__(self) -> tuple[object, ...]:
        return DataRoot.open, (self.url, self.settings)

    @property
    def url(self) -> str:
        """What people call it: an absolute path, or `s3://bucket/prefix`."""
        return self.store.url

    def prepared(self, key: str) -> str:
        """What was read of a batch, by its key, until the batch is committed."""
        return f"{self._chunks}/admitted/{key[:16]}"

    def chunk(self, key: str) -> str:
        """What a worker makes on the way to a result, by its key."""
        return f"{self._chunks}/chunks/{key[:16]}"

    def training_checkpoints(self, key: str) -> Path:
        """The directory of the checkpoints of a training; its name is also that of the lock."""
        return self.store.work / f"{CHECKPOINT_PREFIXES[0]}{key[:16]}"

    def trial_checkpoints(self, key: str) -> Path:
        """The same of a trial of a sweep, or of a fold."""
        return self.store.work / f"{CHECKPOINT_PREFIXES[1]}{key[:16]}"

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory, which other machines have to mount at the same path."""
        return isinstance(self.store, LocalStore)

    @property
    def _chunks(self) -> str:
        # Workers on other machines need the chunks of a batch: those of a bucket lie in it.
        shares_work = self.settings.runner == "dask" and not self.is_directory
        return SHARED_WORK if shares_work else WORK

    def location(self, name: str) -> str:
        """What people call something in it: a path, or a URL in a bucket."""
        return self.store.location(name)

    def resolve(self, reference: str) -> str:
        """The name of what a person names by a path or URL; of a file elsewhere, its path.

        Raises:
            InputError: it is a URL outside the data root.
        """
        if "://" not in reference:
            return self.store.name_of(Path(reference))
        if not reference.startswith(f"{self.url}/") or ".." in reference.split("/"):
            raise InputError(
                "the URL is not in the data root",
                reference,
                f"name a file on this machine, or one below {self.url}",
            )
        return reference.removeprefix(f"{self.url}/").rstrip("/")

    def file(self, reference: str) -> Path:
        """The path on this machine of a file that a person names, of an artifact or another.

        Raises:
            InputError: it is a URL outside the data root.
            DamagedArtifact: it is not what the manifest of its artifact says.
        """
        name = self.resolve(reference)
        if (folder := self.store.artifact_of(name)) is not None:
            file = name.removeprefix(f"{folder}/")
            if (artifact := self.store.open(folder, [file])) is not None:
                return artifact.directory / file
        return self.store.fetch(name)

    def check_output_path(self, path: Path, option: str) -> None:
        """See, before any work is done for it, that a file can be written at a path.

        Args:
            path: of the file; an existing one will be replaced.
            option: of the command line that names it.

        Raises:
            InputError: it cannot be written, or is in a folder of the data root.
        """
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise InputError(f"{path} is not a file", option, "name a file")
        if not target.parent.is_dir() or not os.access(target.parent, os.W_OK | os.X_OK):
            raise InputError(
                f"cannot write to {target.parent}", option, "name a file in another directory"
            )
        root = self.store.directory.resolve()
        if target.is_relative_to(root) and target.parent != root:
            raise InputError(
                f"{path} is in a folder of the data root", option, "name a file outside of it"
            )


def machine_directory(url: str) -> Path:
    """The directory of this machine for a data root: itself, or the local side of a bucket.

    Raises:
        InputError: it is the URL of something else.
    """
    if "://" not in url:
        return Path(url).expanduser().resolve()
    from headlines.storage.bucket.address import cache_directory

    return cache_directory(url)


@lru_cache
def _local(directory: Path) -> Store:
    return LocalStore(directory)


@lru_cache
def _bucket(url: str, _cache: Path, _process: int) -> Store:
    from headlines.storage.bucket.store import BucketStore

    return BucketStore(url)
