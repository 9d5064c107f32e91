"""Small files that are no artifacts, local or in a bucket: the champion pointer, reports."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from headlines.storage.atomic import mkdir_durable, next_free_name, write_atomically
from headlines.storage.bucket.mirror import Mirror
from headlines.storage.bucket.mirrors import mirror_of
from headlines.storage.layout import Catalog
from headlines.storage.manifest import read_text_limited


@dataclass(frozen=True)
class Document:
    """A file as it was read, to be replaced only while it is still that one.

    Attributes:
        path: where it lies, or would.
        text: what it holds; None where there is none.
        etag: of its object; None where there is none, or the data root is local.
    """

    path: Path
    text: str | None
    etag: str | None = None


def read_document(path: Path) -> Document:
    """The file as it is now.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not text, or too large.
    """
    mirror = mirror_of(path)
    if mirror is None:
        try:
            return Document(path, read_text_limited(path))
        except FileNotFoundError:
            return Document(path, None)
    found = mirror.bucket.read(mirror.name(path))
    return (
        Document(path, found.body.decode(errors="replace"), found.etag)
        if found
        else Document(path, None)
    )


def replace_document(catalog: Catalog, document: Document, content: bytes) -> None:
    """Replace a file that was read; the caller holds the lock under which it was.

    Raises:
        Changed: the file of a bucket is another one by now.
    """
    mirror = mirror_of(document.path)
    if mirror is None:
        write_atomically(catalog, document.path, content)
    else:
        mirror.bucket.replace(mirror.name(document.path), content, document.etag)


def backup_document(document: Document) -> None:
    """Keep a file that cannot be read beside the one that is to replace it."""
    mirror = mirror_of(document.path)
    if mirror is None:
        document.path.rename(
            next_free_name(document.path.with_name(f"{document.path.name}.damaged"))
        )
    elif document.etag is not None:
        digest = hashlib.sha256(document.etag.encode()).hexdigest()[:8]
        name = mirror.name(document.path)
        mirror.bucket.copy(name, f"{name}.damaged~{digest}")


def write_document(catalog: Catalog, path: Path, content: bytes) -> None:
    """Write a file that no other run writes, as a whole."""
    if (mirror := mirror_of(path)) is not None:
        mirror.bucket.upload(content, mirror.name(path))
    write_atomically(catalog, path, content)


def is_there(path: Path) -> bool:
    """Whether there is such a file."""
    mirror = mirror_of(path)
    return path.exists() if mirror is None else mirror.bucket.head(mirror.name(path)) is not None


def delete_document(path: Path) -> None:
    """Remove a file, if it is there."""
    if (mirror := mirror_of(path)) is not None:
        mirror.bucket.delete([mirror.name(path)])
    path.unlink(missing_ok=True)


def documents_in(folder: Path, suffix: str) -> list[Path]:
    """The files right below a folder with that ending, in order of name; `bring_document` reads."""
    mirror = mirror_of(folder)
    if mirror is None:
        return sorted(folder.glob(f"*{suffix}"))
    paths = (mirror.path(one.name) for one in mirror.bucket.list(mirror.name(folder)))
    return sorted(path for path in paths if path.parent == folder and path.suffix == suffix)


def fetch_document(path: Path) -> Path:
    """Have a file here that is never replaced by another."""
    mirror = mirror_of(path)
    if mirror is not None and not path.exists():
        _bring(mirror, path)
    return path


def _bring(mirror: Mirror, path: Path) -> None:
    found = mirror.bucket.read(mirror.name(path))
    if found is not None:
        mkdir_durable(path.parent)
        write_atomically(mirror.catalog, path, found.body)
