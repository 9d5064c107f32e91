"""Transactions of Prefect's server wait for each other, and a failed one blocks no other."""

import asyncio
import gc
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from operations.sqlite import begin_as_writers, close_failed_cursors


@pytest.fixture(autouse=True)
def _fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiosqlite.Cursor, "_execute", aiosqlite.Cursor._execute)
    close_failed_cursors()


def engine_on(path: Path) -> AsyncEngine:
    """An engine set up as Prefect's is: transactions are begun by hand."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", isolation_level="AUTOCOMMIT")

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA busy_timeout = 5000")

    return engine


async def execute(connection: AsyncConnection, *statements: str) -> None:
    for statement in statements:
        await connection.exec_driver_sql(statement)


async def fail_to_write(first: AsyncConnection, second: AsyncConnection) -> OperationalError:
    """The error of a transaction that reads, and writes after another one has written."""
    await execute(first, "BEGIN", "SELECT * FROM numbers")
    await execute(second, "INSERT INTO numbers VALUES (1)")
    with pytest.raises(OperationalError, match="locked") as failed:
        await execute(first, "INSERT INTO numbers VALUES (2)")
    await execute(first, "ROLLBACK")
    return failed.value


async def _write_while_an_error_is_freed(path: Path) -> list[int]:
    engine = engine_on(path)
    async with engine.connect() as first, engine.connect() as second:
        await execute(first, "CREATE TABLE numbers (number)")
        errors = [await fail_to_write(first, second)]
        await execute(second, "BEGIN IMMEDIATE", "INSERT INTO numbers VALUES (3)")
        raw = (await first.get_raw_connection()).driver_connection
        waiting = asyncio.create_task(execute(first, "INSERT INTO numbers VALUES (4)"))
        await asyncio.sleep(0.5)  # until it waits for the lock, else this test shows nothing
        assert raw._tx.empty()
        errors.clear()
        gc.collect()  # frees what the error held, here in the loop
        await execute(second, "COMMIT")
        await waiting
        rows = await first.exec_driver_sql("SELECT number FROM numbers ORDER BY number")
        numbers = list(rows.scalars())
    await engine.dispose()
    return numbers


def test_a_failed_statement_does_not_block_the_loop(tmp_path: Path) -> None:
    assert asyncio.run(_write_while_an_error_is_freed(tmp_path / "a.db")) == [1, 3, 4]


async def _write_what_was_read_by_two(path: Path) -> list[int]:
    from prefect.server.database.configurations import AioSqliteConfiguration

    configuration = AioSqliteConfiguration(f"sqlite+aiosqlite:///{path}")
    engine = await configuration.engine()
    async with engine.connect() as connection:
        await execute(connection, "CREATE TABLE numbers (number)")

    async def add(number: int) -> None:
        session = await configuration.session(engine)
        async with session, configuration.begin_transaction(session):
            await session.execute(sa.text("SELECT * FROM numbers"))
            if number == 1:  # the other one ends now, or waits until this one has ended
                others.append(asyncio.create_task(add(2)))
                await asyncio.wait(others, timeout=0.5)
            await session.execute(sa.text(f"INSERT INTO numbers VALUES ({number})"))

    others: list[asyncio.Task[None]] = []
    await add(1)
    await others[0]
    async with engine.connect() as connection:
        rows = await connection.exec_driver_sql("SELECT number FROM numbers ORDER BY number")
        numbers = list(rows.scalars())
    await engine.dispose()
    return numbers


@pytest.mark.integration
def test_transactions_that_read_and_write_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.server.database.configurations import AioSqliteConfiguration as Configuration

    monkeypatch.setattr(Configuration, "begin_transaction", Configuration.begin_transaction)
    begin_as_writers()
    assert asyncio.run(_write_what_was_read_by_two(tmp_path / "a.db")) == [1, 2]
