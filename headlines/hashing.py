"""SHA-256 digests of plain data and of files."""

import hashlib
import json
from pathlib import Path


def json_digest(data: object) -> str:
    """SHA-256 (hexadecimal) of plain data, independent of the order of its keys."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
