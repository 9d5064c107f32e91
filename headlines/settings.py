"""Settings that come from the environment: where the data lies and where the work runs."""

import os
from dataclasses import dataclass
from pathlib import Path

from headlines.errors import InputError

RUNNERS = ("threads", "processes")


@dataclass(frozen=True)
class Settings:
    """What a run takes from its surroundings.

    Attributes:
        data_root: directory of the inbox and of everything that runs make.
        runner: where heavy work runs, one of `RUNNERS`.
        workers: how many pieces of work run at once.
    """

    data_root: Path
    runner: str
    workers: int

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read `HEADLINES_DATA`, `HEADLINES_RUNNER` and `HEADLINES_WORKERS`.

        Raises:
            InputError: a variable holds a value that cannot be used.
        """
        root = os.environ.get("HEADLINES_DATA") or "data"
        if "://" in root:
            raise InputError(
                f"{root!r} is not a local directory",
                "HEADLINES_DATA",
                "give the path of a directory on this machine",
            )
        runner = os.environ.get("HEADLINES_RUNNER") or "processes"
        if runner not in RUNNERS:
            raise InputError(
                f"{runner!r} is not a runner",
                "HEADLINES_RUNNER",
                f"use one of {', '.join(RUNNERS)}",
            )
        workers = os.environ.get("HEADLINES_WORKERS") or str(os.cpu_count() or 1)
        if not workers.isascii() or not workers.isdecimal() or not 1 <= int(workers) <= 256:
            raise InputError(
                f"{workers!r} is not a number of workers",
                "HEADLINES_WORKERS",
                "use a whole number from 1 to 256",
            )
        return cls(Path(root).expanduser().resolve(), runner, int(workers))
