"""Errors that a user can act on."""

from typing import Any


class InputError(Exception):
    """The input or the call is wrong; retrying unchanged would fail again.

    The command line prints it as one line and exits with 2.

    Args:
        problem: what is wrong.
        location: the file, option or setting.
        hint: how to fix it.
    """

    def __init__(self, problem: str, location: str, hint: str) -> None:
        super().__init__(problem, location, hint)  # positional, so that it can be pickled
        self.problem = problem
        self.location = location
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.location}: {self.problem}; {self.hint}"


class DamagedArtifact(Exception):
    """An artifact whose files do not match its manifest."""

    def __init__(self, directory: str, reason: str) -> None:
        super().__init__(directory, reason)
        self.directory = directory
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.directory}: {self.reason}"


class StoreError(OSError):
    """A bucket's store failed several times in a row; trying later may help."""


class PreconditionFailed(Exception):
    """What was to be replaced has changed since it was read."""


class ClusterError(Exception):
    """The workers of a cluster failed to run a job; retrying may help."""


class RunNeedsAttention(Exception):
    """A run has ended with a result, but a person should look at it.

    Args:
        message: why, in one line.
        result: the run's result, as plain data.
    """

    def __init__(self, message: str, result: dict[str, Any]) -> None:
        super().__init__(message, result)
        self.message = message
        self.result = result

    def __str__(self) -> str:
        return self.message


class BatchesStopped(RunNeedsAttention):
    """Some batches of a run could not be scored; the message names them."""


class DriftTooHigh(RunNeedsAttention):
    """A night was scored, but its headlines differ from dev; the message says how."""
