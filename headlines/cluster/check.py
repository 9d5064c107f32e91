"""Looks at the cluster that the settings name, for `headlines doctor`."""

from headlines import runner
from headlines.cluster.worker import code, look_around
from headlines.errors import ClusterError, InputError
from headlines.object_store.address import root_of_mirror
from headlines.settings import Settings


def examine_cluster() -> str:
    """What the cluster is, if all of its workers can do the work.

    Raises:
        InputError: it does not answer, is open to others, or a worker has other code or does not
            see the data root.
    """
    settings = Settings.from_environment()
    if settings.runner != "dask":
        return f"none asked for (HEADLINES_RUNNER={settings.runner})"
    try:
        pool = runner.cluster()
        seen = pool.on_every_worker(look_around, str(settings.data_root))
    except ClusterError as error:
        raise InputError(
            str(error), f"HEADLINES_DASK={settings.scheduler or ''}", "start the cluster again"
        ) from error
    for worker, (found, sees_data) in seen.items():
        if told := code().differs(found):
            raise InputError(
                f"it has another version ({told})",
                f"worker {worker}",
                "install the same release and requirements.lock there, and start it again",
            )
        if not sees_data and root_of_mirror(settings.data_root) is None:
            raise InputError(
                f"it does not see the data root {settings.data_root}",
                f"worker {worker}",
                "mount it there at the same path, or use a data root in a bucket",
            )
    where = settings.scheduler or "on this machine"
    return f"{len(seen)} workers, {where}, of this version"
