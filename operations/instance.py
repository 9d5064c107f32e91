"""Where the lasting server and its worker live: one set-up for each data root."""

from dataclasses import dataclass
from pathlib import Path

from headlines.settings import Settings
from headlines.storage.layout import Catalog

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
    def from_settings(cls, settings: Settings) -> "PrefectInstance":
        """The instance of the data root that the settings name."""
        root = Catalog.open(settings).root
        return cls(root, root / ".prefect", settings.port)

    @classmethod
    def from_environment(cls) -> "PrefectInstance":
        """The same, of the settings in the environment.

        Raises:
            InputError: a variable has an invalid value.
        """
        return cls.from_settings(Settings.from_environment())

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
