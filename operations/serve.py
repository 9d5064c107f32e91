"""`python -m operations.serve` is `prefect server start` with a fix for its use of SQLite.

SQLAlchemy 2.0 leaves the cursor of a failed statement to Python's garbage collection, which frees
it in the server's event loop. Freeing it needs the connection. If that is waiting for a lock in its
own thread, the event loop waits too, and the lock's holder cannot commit: every request hangs for a
minute, until SQLite gives up. Such failures ("database is locked") happen now and then.
"""

import sys
from collections.abc import Callable
from typing import Any

import aiosqlite


def main() -> None:
    """Run Prefect's server in this process; the options are those of `prefect server start`."""
    close_failed_cursors()
    from prefect.cli import app

    sys.argv[1:1] = ["server", "start"]
    app()


def close_failed_cursors() -> None:
    """Have a SQLite cursor closed in its connection's thread when its statement fails."""
    aiosqlite.Cursor._execute = _execute_and_close  # type: ignore[method-assign, assignment]


async def _execute_and_close(
    cursor: aiosqlite.Cursor, statement: Callable[..., Any], *values: Any, **named: Any
) -> Any:
    try:
        return await cursor._conn._execute(statement, *values, **named)  # type: ignore[no-untyped-call]
    except BaseException:  # a cancelled statement still runs in the thread
        cursor._conn._tx.put_nowait((None, cursor._cursor.close))
        raise


if __name__ == "__main__":
    main()
