"""Loaded by the workers of the tests' clusters: does to a worker what a test asks for, by files.

The folder `HEADLINES_TEST_FAULTS` is looked into before a chunk is scored and in the midst of it.
A file there is the order; one that only a single worker is to follow is taken away by it.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distributed import Worker

from headlines.compute.dask import version_check as module
from headlines.compute.dask.version_check import Code
from headlines.models import registry
from headlines.scoring import score_chunks

ORDERS = Path(os.environ["HEADLINES_TEST_FAULTS"])
own_iter_predictions, own_code, own_model = (
    score_chunks.iter_predictions,
    module.code,
    registry.open_model,
)
held: list[bytearray] = []


def taken(order: str) -> bool:
    """Whether there was such an order, and no other worker was quicker."""
    try:
        (ORDERS / order).unlink()
    except FileNotFoundError:
        return False
    return True


def iter_predictions(job: score_chunks.ScoreJob) -> Iterator[score_chunks.ScoredRows]:
    """The predictions of a chunk, unless something happens on the way."""
    found = list(own_iter_predictions(job))
    yield found[0]
    (ORDERS / f"begun-{job.chunk.number}").touch()
    if taken("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    if taken("stop"):
        (ORDERS / "stopped").write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)
    if (ORDERS / f"eat-{job.chunk.number}").exists():
        while True:  # until the nanny ends this process
            held.append(bytearray(os.urandom(1 << 20) * 8))
    while (ORDERS / f"hold-{job.chunk.number}").exists():
        pass
    yield from found[1:]


def dask_setup(worker: Worker) -> None:
    """Put the faults in the place of what they are faults of."""

    def code() -> Code:
        if (ORDERS / f"other-code-{worker.name}").exists():
            return Code("0" * 64, (*own_code().versions[:-1], ("rjieba", "0.0.1")))
        return own_code()

    def model(root: Any, version: str) -> Any:
        order = ORDERS / f"other-model-{worker.name}"
        if order.exists():
            root = type(root).open(order.read_text())
        return own_model(root, version)

    score_chunks.iter_predictions = iter_predictions
    registry.open_model = model
    module.code = code  # type: ignore[assignment]
