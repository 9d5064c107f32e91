"""What all stages share as Prefect tasks: retries, and no result cache."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from headlines.errors import InputError
from tasks.interruption import interrupted

RETRIES = 3

P = ParamSpec("P")
R = TypeVar("R")


def stage(
    name: str,
    *,
    run_name: str | None = None,
    timeout_seconds: float | None = None,
    retries: int = RETRIES,
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A Prefect task that is retried after about 1, 2 and 4 seconds, unless its input is wrong
    or the run was interrupted.

    It has no tags: for each tag a run asks the server about its concurrency limit, which an
    embedded server on SQLite often answers two seconds late.

    Args:
        name: of the task.
        run_name: of each run, a template over the task's arguments.
        timeout_seconds: only for tasks that are called; Prefect cannot stop a submitted one.
        retries: how often it is tried again.
    """
    return task(
        name=name,
        task_run_name=run_name,
        timeout_seconds=timeout_seconds,
        retries=retries,
        retry_delay_seconds=exponential_backoff(backoff_factor=1),
        retry_jitter_factor=0.5,
        retry_condition_fn=_is_retryable,
        # Prefect's result cache knows a file by its path alone; artifacts are cached by content.
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def _is_retryable(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    return not (interrupted.is_set() or isinstance(state.data, InputError))
