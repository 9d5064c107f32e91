"""Logs as JSON lines, and what is logged of errors."""

import json
import logging
from collections.abc import Iterator

import pytest

from flows.logs import JsonLines, errors_printed_at_end, hide_expected_tracebacks
from headlines.errors import InputError


def record(message: str, *values: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("prefect.task_runs", logging.INFO, "f.py", 1, message, values, None)
    made.__dict__ |= more
    return made


def test_an_event_is_one_line_with_run_and_stage() -> None:
    line = JsonLines("default", None, "%").format(
        record(
            "%s: 大涨\n%d",
            "某批",
            3,
            flow_run_name="nightly",
            task_run_name=None,
            stage={"stage": "predictions", "seconds": 0.5, "counts": {"scored": 3}},
        )
    )
    assert "\n" not in line
    assert "大涨" in line
    event = json.loads(line)
    assert event.pop("time").endswith("+00:00")
    assert event == {
        "level": "INFO",
        "logger": "prefect.task_runs",
        "message": "某批: 大涨\n3",
        "flow_run_name": "nightly",
        "stage": "predictions",
        "seconds": 0.5,
        "counts": {"scored": 3},
    }


def test_an_error_has_its_traceback() -> None:
    try:
        raise ValueError("no such thing")
    except ValueError as error:
        failed = record("failed")
        failed.exc_info = (type(error), error, error.__traceback__)
    event = json.loads(JsonLines().format(failed))
    assert event["traceback"].endswith("ValueError: no such thing")


@pytest.fixture
def log() -> Iterator[list[logging.LogRecord]]:
    """What the runs of flows and tasks log."""
    hide_expected_tracebacks()
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    loggers = [logging.getLogger(f"prefect.{name}_runs") for name in ("flow", "task")]
    for logger in loggers:
        logger.addHandler(handler)
    yield records
    for logger in loggers:
        logger.removeHandler(handler)


def messages(log: list[logging.LogRecord]) -> list[str]:
    return [entry.getMessage() for entry in log]


def end_runs(error: Exception) -> None:
    """Log the failure of a task, its flow and the parent flow as Prefect does."""
    for name in ("task", "flow", "flow"):
        logger = logging.getLogger(f"prefect.{name}_runs")
        logger.error("failed with exception: %r", error, exc_info=error)
        state = f"Failed('{name.title()} run encountered an exception: InputError: {error}')"
        logger.error(f"Finished in state {state}")


def test_an_expected_error_is_logged_once(log: list[logging.LogRecord]) -> None:
    end_runs(InputError("it is\nblank", "a.csv", "fix it"))
    assert messages(log) == [
        "a.csv: it is\nblank; fix it",
        *["Finished in state Failed"] * 3,
    ]
    assert not any(entry.exc_info for entry in log)


def test_an_error_that_the_caller_prints_is_not_logged(log: list[logging.LogRecord]) -> None:
    with errors_printed_at_end():
        end_runs(InputError("it is blank", "a.csv", "fix it"))
    assert messages(log) == ["Finished in state Failed"] * 3


def test_an_unexpected_error_keeps_its_traceback(log: list[logging.LogRecord]) -> None:
    with errors_printed_at_end():
        logging.getLogger("prefect.task_runs").error("failed", exc_info=ValueError("odd"))
        logging.getLogger("prefect.task_runs").error("Finished in state Failed('ValueError: odd')")
    assert messages(log) == ["failed", "Finished in state Failed('ValueError: odd')"]
    assert log[0].exc_info
