"""What flows log: JSON lines for log collectors, and expected errors once, without tracebacks."""

import contextlib
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from headlines.errors import InputError, RunNeedsAttention

# Prefect takes each value of its logging configuration from a variable named by its path.
VARIABLES = {
    "PREFECT_LOGGING_FORMATTERS_JSON_CLASS": "flows.logs.JsonLines",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER": "json",
    "PREFECT_LOGGING_COLORS": "false",
    "PREFECT_LOGGING_MARKUP": "false",
}
_RUNS = ("flow_run_name", "flow_run_id", "task_run_name")


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object.

    It has `time` (ISO 8601 in UTC), `level`, `logger` and `message`; `flow_run_name`, `flow_run_id`
    and `task_run_name` where Prefect knows them; the fields that `tasks.reporting.log_stage` adds;
    and `traceback` of an error.
    """

    def __init__(self, *_: Any) -> None:  # Prefect passes a text format, which is of no use here
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line, without a newline."""
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        event |= {name: str(value) for name in _RUNS if (value := getattr(record, name, None))}
        event |= getattr(record, "stage", {})
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False, default=str)


_EXPECTED = (InputError, RunNeedsAttention)
_NAMES = "|".join(kind.__name__ for kind in (*_EXPECTED, *RunNeedsAttention.__subclasses__()))
# How Prefect repeats an error in the state of each task, flow and parent flow that it ends.
_FINISHED = re.compile(rf"(Finished in state Failed)\(.*exception:? (?:{_NAMES}):.*\)", re.DOTALL)


class _ExpectedErrorFilter(logging.Filter):
    """Has expected errors logged once and without a traceback, or not if the caller prints them."""

    printed_at_end = False

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, _EXPECTED):
            if self.printed_at_end or getattr(error, "was_logged", False):
                return False
            error.was_logged = True  # type: ignore[union-attr]
            record.msg, record.args = "%s", (str(error),)
            record.exc_info = record.exc_text = None
        elif match := _FINISHED.fullmatch(record.getMessage()):
            record.msg, record.args = match[1], ()
        return True


def hide_expected_tracebacks() -> None:
    """Have Prefect log expected errors once, as one line each."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger = logging.getLogger(name)
        if not any(isinstance(present, _ExpectedErrorFilter) for present in logger.filters):
            logger.addFilter(_ExpectedErrorFilter())


@contextlib.contextmanager
def errors_printed_at_end() -> Iterator[None]:
    """Keep expected errors out of the log, as the caller prints the error that it gets."""
    _ExpectedErrorFilter.printed_at_end = True
    try:
        yield
    finally:
        _ExpectedErrorFilter.printed_at_end = False
