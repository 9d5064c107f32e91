"""Where Prefect takes its settings from: the environment and its home, and nothing else."""

import contextlib
import os
from pathlib import Path
from typing import Any


def ignore_working_directory() -> None:
    """Import Prefect without the settings of `.env`, `prefect.toml` and `pyproject.toml`.

    It reads them in the working directory, where they may be those of another project.
    """
    if home := os.environ.get("PREFECT_HOME"):
        os.environ.setdefault("PREFECT_PROFILES_PATH", str(Path(home) / "profiles.toml"))
    with contextlib.chdir(Path(__file__).parent):  # has none of them
        from prefect.settings import sources
    # Later it reads its settings again, whenever one of them is changed.
    sources.FilteredDotEnvSettingsSource._read_env_files = _nothing  # type: ignore[method-assign]
    sources.TomlConfigSettingsSourceBase._read_files = _nothing  # type: ignore[method-assign]


def _nothing(*_: Any, **__: Any) -> dict[str, Any]:
    return {}
