"""Where everything lies below the data root: the one place that builds a path."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from headlines.errors import InputError
from headlines.settings import Settings
from headlines.storage.bucket.address import address_of_mirror, root_of_mirror

# One component of a batch name: letters (Chinese ones too), digits and a few marks that mean
# nothing to a shell, a glob or a path; it starts with a letter or a digit, so it is never hidden.
_COMPONENT = re.compile(r"[^\W_][\w .()+@,=&-]*", re.UNICODE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENCODED = str.maketrans({sign: quote(sign, safe="") for sign in "/=&+,"})
_LONGEST_PARTITION = 200  # bytes; file systems end at 255


@dataclass(frozen=True)
class Catalog:
    """The paths below one data root.

    Attributes:
        root: the data root, an absolute path.
    """

    root: Path

    @classmethod
    def open(cls, settings: Settings) -> "Catalog":
        """The catalog of the data root that the settings name."""
        return cls(settings.data_root)

    @classmethod
    def from_environment(cls) -> "Catalog":
        """The same, of the settings in the environment."""
        return cls.open(Settings.from_environment())

    @property
    def inbox(self) -> Path:
        """Batches of headlines that wait to be scored."""
        return self.root / "inbox"

    @property
    def archive(self) -> Path:
        """Batches that were scored and moved out of the inbox."""
        return self.root / "archive"

    @property
    def models(self) -> Path:
        """One bundle a version, and the champion pointer."""
        return self.root / "models"

    @property
    def champion(self) -> Path:
        """The file that says which version scores."""
        return self.models / "champion.json"

    @property
    def predictions(self) -> Path:
        """The current predictions, one Hive-partitioned dataset."""
        return self.root / "predictions"

    @property
    def reports(self) -> Path:
        """Reports and evaluations."""
        return self.root / "reports"

    @property
    def nightly_reports(self) -> Path:
        """A report a night, and beside each what those of later nights are to know of it."""
        return self.reports / "nightly"

    @property
    def work(self) -> Path:
        """Drafts, finished chunks and checkpoints: what is not yet a result.

        It stands apart from the results, not beside them: DuckDB and Polars read hidden
        directories below a glob such as `predictions/**/*.parquet`.
        """
        return self.root / ".work"

    @property
    def pieces(self) -> Path:
        """What workers make on the way to a result: of a bucket in it, if they are elsewhere."""
        in_bucket = root_of_mirror(self.root) is not None
        elsewhere = in_bucket and Settings.from_environment().runner == "dask"
        return self.work / "shared" if elsewhere else self.work

    def corpus(self, name: str) -> Path:
        """The corpus of that name."""
        return self.root / "corpus" / validate_name(name, "corpus name")

    def tokens(self, key: str) -> Path:
        """The token cache of one key."""
        return self.root / "tokens" / key[:16]

    @property
    def words(self) -> Path:
        """The words of texts by their content, a directory for each segmenter."""
        return self.root / "tokens" / "by-content"

    def pretrained(self, key: str) -> Path:
        """What was learnt without labels, under one key."""
        return self.root / "pretrained" / key[:16]

    def model(self, version: str) -> Path:
        """The bundle of one version."""
        return self.models / validate_name(version, "model version")

    def prediction(self, batch: str) -> Path:
        """The current predictions of a batch."""
        return self.predictions / partition_dir(batch)

    def rejected(self, batch: str) -> Path:
        """The rows of a batch (or of a corpus) that could not be used."""
        return self.root / "rejects" / partition_dir(batch)

    def failed(self, batch: str) -> Path:
        """The report on a batch that was stopped."""
        return self.root / "failed" / partition_dir(batch)

    def superseded(self, target: Path) -> Path:
        """Where a result that is replaced goes, below a folder that says what it was."""
        return self.root / "superseded" / target.relative_to(self.root)

    def evaluation(self, version: str, key: str) -> Path:
        """The evaluation of one version."""
        return self.reports / "evaluation" / f"{validate_name(version, 'model version')}-{key[:8]}"

    def baseline(self, key: str) -> Path:
        """What the linear baseline says of the held-out headlines of one corpus."""
        return self.reports / "baseline" / key[:16]

    def trial(self, key: str) -> Path:
        """The figures of one training of a sweep."""
        return self.root / "sweeps" / "trials" / key[:16]

    def sweep(self, key: str) -> Path:
        """The table of a sweep, and the best preset that it found."""
        return self.root / "sweeps" / "results" / key[:16]

    @property
    def address(self) -> str:
        """What people call the data root: the path, or the address of its bucket."""
        mirror = root_of_mirror(self.root)
        return (address_of_mirror(mirror) if mirror == self.root else None) or str(self.root)

    def named(self, name: str) -> Path:
        """The path of what a person names by a path, or by an address in the data root's bucket.

        Raises:
            InputError: it is an address beyond the data root.
        """
        if "://" not in name:
            return Path(name)
        if not name.startswith(f"{self.address}/"):
            raise InputError(
                "the address is not in the data root",
                name,
                f"name a file on this machine, or one below {self.address}",
            )
        return self.root / name.removeprefix(f"{self.address}/")

    def relative(self, path: Path) -> str:
        """A path below the root as it stands in manifests; any other path as it is."""
        try:
            return path.absolute().relative_to(self.root).as_posix()
        except ValueError:
            return str(path.absolute())

    def require_writable(self) -> None:
        """Make the data root, and find out now whether it can be written.

        Of one in a bucket the mirror is made, and an object is written and removed.

        Raises:
            InputError: it cannot.
        """
        probe = self.work / f"probe-{os.getpid()}"
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise InputError(
                f"the data root cannot be written ({error.strerror})",
                str(self.root),
                "mend its permissions or set HEADLINES_DATA to a directory of yours",
            ) from error
        if root_of_mirror(self.root) is not None:
            from headlines.storage.bucket.mirrors import mirror_at

            if (mirror := mirror_at(self.root)) is not None:
                mirror.bucket.require_writable()


def validate_name(name: str, kind: str) -> str:
    """The name, if it may become one component of a path.

    Raises:
        InputError: it holds anything but ASCII letters, digits and `._-`.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise InputError(
            f"{name!r} cannot be a {kind}",
            kind,
            "use up to 64 ASCII letters, digits, '.', '_', '-', and a letter or digit first",
        )
    return name


def validate_batch_name(batch: str) -> str:
    """The batch name, if it may become a partition.

    Raises:
        InputError: a component of it is empty, hidden, `..`, or holds a sign that has a meaning
            to shells or file systems; or it is too long.
    """
    components = batch.split("/")
    if not all(
        _COMPONENT.fullmatch(component) and ".." not in component and component[-1] not in ". "
        for component in components
    ):
        raise InputError(
            f"{batch!r} cannot be a batch name",
            "batch name",
            "rename the file: letters, digits, spaces and .()+@,=&_- in each part, "
            "beginning with a letter or digit, and no '..'",
        )
    if len(_encoded(batch).encode()) > _LONGEST_PARTITION:
        raise InputError(
            f"the batch name {batch[:40]!r}… is too long",
            "batch name",
            f"shorten it to at most {_LONGEST_PARTITION} bytes",
        )
    return batch


def partition_dir(batch: str) -> str:
    """The Hive partition directory of a batch: `batch=2026-11-20.csv`.

    A `/` of the name (a batch in a folder of the inbox) is percent-encoded, as Hive does, so
    that each batch is one directory.
    """
    if batch.startswith("corpus:"):  # rejects of a corpus; no batch name may hold a colon
        return f"batch=corpus:{validate_name(batch.removeprefix('corpus:'), 'corpus name')}"
    return f"batch={_encoded(validate_batch_name(batch))}"


def batch_of(partition: str) -> str:
    """The batch whose partition directory has this name; undoes `partition_of`."""
    return unquote(partition.removeprefix("batch="))


def _encoded(batch: str) -> str:
    return batch.translate(_ENCODED)
