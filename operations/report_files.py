"""The server shows the reports of its data root, so that a click on a run's page opens them."""

import os
from typing import Any

from headlines.settings import Settings
from headlines.storage.data_root import DataRoot

FOLDERS = ("reports", "models")
SUFFIXES = (".html", ".csv")  # reports, and the tables that they link to


def serve_reports() -> None:
    """Have Prefect's server also serve the reports of the data root, below `/files`.

    Not where the server asks for a password, as these files would not; and not from a bucket.
    """
    from prefect.server.api import server
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    root = DataRoot.from_settings(Settings.from_environment())
    if os.environ.get("PREFECT_SERVER_API_AUTH_STRING") or not root.is_directory:
        return

    class ReportFiles(StaticFiles):
        def lookup_path(self, path: str) -> Any:
            return super().lookup_path(path) if path.endswith(SUFFIXES) else ("", None)

    create_app = server.create_app

    def create_app_with_reports(*arguments: Any, **named: Any) -> Any:
        app = create_app(*arguments, **named)
        for folder in FOLDERS:
            files = ReportFiles(directory=root.store.directory / folder, check_dir=False)
            app.router.routes.insert(0, Mount(f"/files/{folder}", app=files))
        return app

    server.create_app = create_app_with_reports
