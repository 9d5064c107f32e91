"""`python -m operations.serve` is `prefect server start` for runs that outlive a server.

Slots of running nights are kept over a restart; a run is not called dead for what it could not send
while no server was up; runs whose process is gone are crashed.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

from operations.startup import garbage_collector_paused

_START = timedelta(seconds=60)  # until the server hears events
_LEASE = timedelta(minutes=10)  # more than a run waits between two tries of a request


def main() -> None:
    """Run Prefect's server in this process; the options are those of `prefect server start`."""
    # Prefect keeps the leases of slots in memory by default, and their count in its database: a
    # restart would end every running night when its lease is due.
    os.environ.setdefault(
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE",
        "prefect.server.concurrency.lease_storage.filesystem",
    )
    with garbage_collector_paused():
        from prefect.cli import app

        from operations import orphans
        from operations.report_files import serve_reports
        from operations.sqlite import fix_sqlite

        fix_sqlite()
        serve_reports()
    asyncio.run(restart_heartbeat_waits())
    asyncio.run(renew_expired_leases())
    if os.environ.get("PREFECT_API_URL"):
        orphans.watch()
    sys.argv[1:1] = ["server", "start"]
    app()


async def restart_heartbeat_waits() -> None:
    """Have every wait for a run's next heartbeat end a full time from now.

    Prefect takes what was sent while no server was up for silence, and marks the runs as crashed.
    """
    import sqlalchemy as sa
    from prefect.server.database import provide_database_interface

    from operations.automations import HEARTBEAT, HEARTBEAT_WAIT

    end = datetime.now(UTC) + HEARTBEAT_WAIT + _START
    db = provide_database_interface()
    watching = sa.select(db.Automation.id).where(db.Automation.name == HEARTBEAT)
    waits = sa.update(db.AutomationBucket).where(db.AutomationBucket.automation_id.in_(watching))
    try:
        async with db.session_context(begin_transaction=True) as session:
            await session.execute(waits.values(end=end))
    except sa.exc.DatabaseError:
        pass  # a database that this start is still to create or to migrate


async def renew_expired_leases() -> None:
    """Keep the slots of runs that could not renew their leases while no server was up.

    Prefect would free them, and cancel the runs when they renew. A run that has ended loses its
    slot all the same: when it is crashed, or when the lease expires once more.
    """
    from prefect.server.concurrency.lease_storage import get_concurrency_lease_storage

    storage = get_concurrency_lease_storage()
    for lease in await storage.read_expired_lease_ids():
        await storage.renew_lease(lease, _LEASE)


if __name__ == "__main__":
    main()
