"""Keeps tracebacks out of the log where an error already says what to do."""

import logging

from headlines.errors import EndedAmiss, InputError

_EXPECTED = (InputError, EndedAmiss)


class _WithoutTraceback(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], _EXPECTED):
            record.msg, record.args = "%s", (str(record.exc_info[1]),)
            record.exc_info = record.exc_text = None
        return True


def without_tracebacks() -> None:
    """Have Prefect log an expected error as its one line."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _WithoutTraceback) for known in logger.filters):
            logger.addFilter(_WithoutTraceback())
