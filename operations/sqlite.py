"""Fixes for how Prefect's server uses SQLite, for the process that they are called in.

Prefect begins a transaction as one that reads. If it reads and then writes, and another transaction
has written in between, SQLite fails at once with "database is locked": waiting would not help.

SQLAlchemy 2.0 leaves the cursor of a failed statement to Python's garbage collection, which frees
it in the server's event loop. Freeing it needs the connection. If that is waiting for a lock in its
own thread, the event loop waits too, and the lock's holder cannot commit: every request hangs for a
minute, until SQLite gives up.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiosqlite
from sqlalchemy.ext.asyncio import AsyncSession


def fix_sqlite() -> None:
    """Have the server's transactions wait for each other; a failed one blocks no other."""
    close_failed_cursors()
    begin_as_writers()


def begin_as_writers() -> None:
    """Have Prefect's transactions take the lock for writing when they begin, and wait for it."""
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_as_writer(
        configuration: AioSqliteConfiguration, session: AsyncSession, with_for_update: bool = True
    ) -> AbstractAsyncContextManager[Any]:
        return begin(configuration, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_as_writer  # type: ignore[method-assign, assignment]


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
