"""What flows log: JSON lines for log collectors, and no tracebacks of expected errors."""

import json
import logging
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


class _TracebackFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], _EXPECTED):
            record.msg, record.args = "%s", (str(record.exc_info[1]),)
            record.exc_info = record.exc_text = None
        return True


def hide_expected_tracebacks() -> None:
    """Have Prefect log expected errors as one line each."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger = logging.getLogger(name)
        if not any(isinstance(present, _TracebackFilter) for present in logger.filters):
            logger.addFilter(_TracebackFilter())
