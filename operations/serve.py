"""`python -m operations.serve` is `prefect server start` without a fault of its SQLite."""

import sys

from operations.cursors import close_when_failed


def main() -> None:
    """Run Prefect's server in this process; the options are those of `prefect server start`."""
    close_when_failed()
    from prefect.cli import app

    sys.argv[1:1] = ["server", "start"]
    app()


if __name__ == "__main__":
    main()
