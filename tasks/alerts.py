"""Events that need attention, which an automation of the server may send on."""

from prefect.events import emit_event

ALERT = "headlines.alert"


def alert(kind: str, what: str, detail: str) -> None:
    """Report something to the server that needs attention, though the run has not failed.

    Args:
        kind: as `headlines.nightly.night.Alert` has it; the event is `headlines.alert.<kind>`.
        what: in a few words.
        detail: more of it, and what to do.
    """
    emit_event(
        event=f"{ALERT}.{kind}",
        resource={"prefect.resource.id": f"headlines.{kind}"},
        payload={"what": what, "detail": detail},
    )
