"""`python -m operations.serve` is `prefect server start` without a fault of its SQLite."""

import sys
from collections.abc import Callable
from typing import Any

import aiosqlite


def main() -> None:
    """Run Prefect's server in this process; the options are those of `prefect server start`."""
    close_when_failed()
    from prefect.cli import app

    sys.argv[1:1] = ["server", "start"]
    app()


if __name__ == "__main__":
    main()


def close_when_failed() -> None:
    """Have cursors of SQLite closed in their connection's thread when a statement fails."""
    aiosqlite.Cursor._execute = _execute_and_close  # type: ignore[method-assign, assignment]


async def _execute_and_close(
    cursor: aiosqlite.Cursor, statement: Callable[..., Any], *values: Any, **named: Any
) -> Any:
    try:
        return await cursor._conn._execute(statement, *values, **named)  # type: ignore[no-untyped-call]
    except BaseException:  # one that is cancelled goes on in the thread
        cursor._conn._tx.put_nowait((None, cursor._cursor.close))
        raise
