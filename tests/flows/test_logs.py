"""Logs as JSON lines."""

import json
import logging

from flows.logs import JsonLines


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
