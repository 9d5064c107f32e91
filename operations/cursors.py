"""Keeps Prefect's server from standing still while its SQLite is busy.

SQLAlchemy 2.0 leaves the cursor of a statement that failed to Python's garbage collection, which
frees it in the server's event loop. Freeing it needs the connection, and where that waits for
another's lock in its thread, the loop waits too, and the other can never commit: all requests stand
still for a minute, until SQLite gives up. Such a failure ("database is locked") comes now and then.
"""

from collections.abc import Callable
from typing import Any

import aiosqlite


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
