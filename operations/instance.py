"""The paths and addresses of one data root's own Prefect server and worker."""

import os
from dataclasses import dataclass
from pathlib import Path

from headlines.errors import InputError
from headlines.settings import Settings

DEFAULT_PORT = 4200
PROJECT = Path(__file__).parent.parent  # has `prefect.yaml`; server, worker and flows run here


@dataclass(frozen=True)
class PrefectInstance:
    """The Prefect of one data root.

    Attributes:
        data_root: what the flows work on.
        port: of the server, on loopback.
    """

    data_root: Path
    port: int

    @classmethod
    def from_environment(cls) -> "PrefectInstance":
        """Read `HEADLINES_DATA` and `HEADLINES_PORT` (default 4200).

        Raises:
            InputError: a variable holds a value that cannot be used.
        """
        root = Settings.from_environment().data_root
        port = os.environ.get("HEADLINES_PORT") or str(DEFAULT_PORT)
        if not port.isascii() or not port.isdecimal() or not 1024 <= int(port) <= 65535:
            raise InputError(
                f"{port!r} is not a port", "HEADLINES_PORT", "use a number from 1024 to 65535"
            )
        return cls(root, int(port))

    @property
    def home(self) -> Path:
        """Prefect's home directory: its database, profiles and block secrets."""
        return self.data_root / ".prefect"

    @property
    def process_records(self) -> Path:
        """The directory of the files that record the server's and the worker's process."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """The directory of `server.log` and `worker.log`."""
        return self.data_root / "logs"

    @property
    def url(self) -> str:
        """The address of the server's web interface."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """The address of the server's API."""
        return f"{self.url}/api"

    def environment(self) -> dict[str, str]:
        """The environment variables of server, worker and `prefect deploy`."""
        return {
            **os.environ,
            "HEADLINES_DATA": str(self.data_root),
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": self.api_url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PYTHONUNBUFFERED": "1",
        }
