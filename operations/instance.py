"""Where the lasting server and its worker live: one set-up for each data root."""

import os
from dataclasses import dataclass
from pathlib import Path

from headlines.errors import InputError
from headlines.storage.layout import Catalog

DEFAULT_PORT = 4200
PROJECT = Path(__file__).parent.parent  # with `prefect.yaml`; flows are run from there


@dataclass(frozen=True)
class PrefectInstance:
    """The paths and the address of one data root's own Prefect.

    Attributes:
        data_root: what the flows work on.
        home: Prefect's home below it: its database and profiles.
        port: of the server, on loopback.
    """

    data_root: Path
    home: Path
    port: int

    @classmethod
    def from_environment(cls) -> "PrefectInstance":
        """As `HEADLINES_DATA` and `HEADLINES_PORT` (default 4200) say.

        Raises:
            InputError: a variable holds a value that cannot be used.
        """
        root = Catalog.from_environment().root
        port = os.environ.get("HEADLINES_PORT") or str(DEFAULT_PORT)
        if not port.isascii() or not port.isdecimal() or not 1024 <= int(port) <= 65535:
            raise InputError(
                f"{port!r} is not a port", "HEADLINES_PORT", "use a number from 1024 to 65535"
            )
        return cls(root, root / ".prefect", int(port))

    @property
    def state(self) -> Path:
        """The directory of the files that say which processes are ours."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """The directory of the logs of server and worker."""
        return self.data_root / "logs"

    @property
    def url(self) -> str:
        """The address of the server's pages."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """The address of the server's API."""
        return f"{self.url}/api"
