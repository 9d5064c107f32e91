"""The paths and addresses of one data root's own Prefect server and worker."""

import os
from dataclasses import dataclass
from pathlib import Path

from headlines.settings import Settings
from headlines.storage.data_root import machine_directory
from headlines.storage.layout import WORK

PROJECT = Path(__file__).parent.parent  # has `prefect.yaml`; server, worker and flows run here
HEARTBEAT_SECONDS = 30  # of a flow run; the shortest that Prefect allows


@dataclass(frozen=True)
class PrefectInstance:
    """The Prefect of one data root.

    Attributes:
        data_root: what the flows work on, a path or a URL.
        port: of the server, on loopback.
    """

    data_root: str
    port: int

    @classmethod
    def from_settings(cls, settings: Settings) -> "PrefectInstance":
        """The instance of the data root that the settings name."""
        return cls(settings.data_root, settings.port)

    @property
    def directory(self) -> Path:
        """This machine's directory for the data root.

        Raises:
            InputError: the URL of the data root cannot be used.
        """
        return machine_directory(self.data_root)

    @property
    def home(self) -> Path:
        """Prefect's home directory: its database, profiles and block secrets."""
        return self.directory / ".prefect"

    @property
    def process_records(self) -> Path:
        """The directory of the files that record the server's and the worker's process."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """The directory of `server.log` and `worker.log`."""
        return self.directory / "logs"

    @property
    def work(self) -> Path:
        """The directory for drafts and locks."""
        return self.directory / WORK

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
        in_bucket = "://" in self.data_root
        return {
            **os.environ,
            "HEADLINES_DATA": self.data_root,
            # Absolute, as server and worker have another working directory: locks are in it.
            **({"HEADLINES_CACHE": str(self.directory.parent)} if in_bucket else {}),
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": self.api_url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",  # whatever the locale: their logs have Chinese titles
        }
