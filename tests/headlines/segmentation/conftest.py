from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def dictionary(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Writes a user dictionary."""

    def write(content: str | bytes, name: str = "words.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
