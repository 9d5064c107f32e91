"""Automations of the server: runs without a heartbeat are marked as crashed, alerts are sent.

The server knows an automation by its name: renamed here, the old one would stay.
"""

from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from headlines.errors import InputError
from operations.instance import HEARTBEAT_SECONDS
from tasks.alerts import ALERT

HEARTBEAT = "headlines: crash runs that have no heartbeat"
_ENDED = "headlines: alert when a run fails or crashes"
_ATTENTION = "headlines: alert when a run calls for a person"
# Three heartbeats in a row: a single late one is not a crash.
HEARTBEAT_WAIT = timedelta(seconds=3 * HEARTBEAT_SECONDS)

_RUNS = ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]})


def heartbeat_automation() -> AutomationCore:
    """Marks a flow run as crashed when neither its process nor its worker is running.

    As in "How to detect and respond to zombie flows" of Prefect's documentation.
    """
    ends = ("Completed", "Failed", "Cancelled", "Crashed")
    beat = "prefect.flow-run.heartbeat"
    return AutomationCore(
        name=HEARTBEAT,
        description="The process of the run and its worker are gone; `prefect flow-run retry` "
        "goes on from what was finished.",
        trigger=EventTrigger(
            after={beat},
            expect={beat, *(f"prefect.flow-run.{end}" for end in ends)},
            match=_RUNS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=HEARTBEAT_WAIT,
        ),
        actions=[
            ChangeFlowRunState(
                name=None,
                state=StateType.CRASHED,
                message="no heartbeat: its process and worker are gone",
                force=False,
            )
        ],
    )


def alert_automations(block: UUID) -> list[AutomationCore]:
    """Send a message by a notification block when a run fails, crashes or emits an alert."""
    ends = EventTrigger(
        expect={f"prefect.flow-run.{end}" for end in ("Failed", "Crashed", "TimedOut")},
        match=_RUNS,
        match_related=ResourceSpecification({"prefect.resource.id": ["prefect.deployment.*"]}),
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    emits_alert = EventTrigger(
        expect={f"{ALERT}.*"}, posture=Posture.Reactive, threshold=1, within=timedelta(0)
    )
    run_ended = SendNotification(
        block_document_id=block,
        subject="headlines: {{ flow_run.name }} {{ flow_run.state.name }}",
        body="{{ flow_run.state.message }}\n{{ flow_run|ui_url }}",
    )
    alert_emitted = SendNotification(
        block_document_id=block,
        subject="headlines: {{ event.payload.what }}",
        body="{{ event.payload.detail }}",
    )
    return [
        AutomationCore(name=_ENDED, trigger=ends, actions=[run_ended]),
        AutomationCore(name=_ATTENTION, trigger=emits_alert, actions=[alert_emitted]),
    ]


def watch_heartbeats() -> None:
    """Have the server mark runs without a heartbeat as crashed."""
    with get_client(sync_client=True) as client:
        _create_or_update(client, heartbeat_automation())


def turn_alerts_on(block: str) -> None:
    """Have the server send alerts by a saved notification block, `type/name`.

    Raises:
        InputError: there is no such block.
    """
    with get_client(sync_client=True) as client:
        for automation in alert_automations(_block_id(client, block)):
            _create_or_update(client, automation)


def turn_alerts_off() -> None:
    """Delete the automations that send alerts."""
    with get_client(sync_client=True) as client:
        for name in (_ENDED, _ATTENTION):
            for automation in client.read_automations_by_name(name):
                client.delete_automation(automation.id)


def alert_block() -> str | None:
    """The notification block that sends alerts; None if they are off."""
    with get_client(sync_client=True) as client:
        automations = client.read_automations_by_name(_ENDED)
        if not automations:
            return None
        action = automations[0].actions[0]
        assert isinstance(action, SendNotification)
        document = client.read_block_document(action.block_document_id)
        assert document.block_type is not None
        return f"{document.block_type.slug}/{document.name}"


def _create_or_update(client: SyncPrefectClient, automation: AutomationCore) -> None:
    existing = client.read_automations_by_name(automation.name)
    if not existing:
        client.create_automation(automation)
        return
    # An update gives the triggers new ids, and Prefect forgets which runs it was watching.
    if AutomationCore.model_validate(existing[0].model_dump(exclude={"id"})) != automation:
        client.update_automation(existing[0].id, automation)
    for duplicate in existing[1:]:
        client.delete_automation(duplicate.id)


def _block_id(client: SyncPrefectClient, block: str) -> UUID:
    slug, _, name = block.partition("/")
    try:
        document = client.read_block_document_by_name(name, slug)
    except ObjectNotFound as error:
        raise InputError(
            f"there is no notification block {block!r}",
            "the server",
            "save one on its page Blocks, and give its TYPE/NAME (see `prefect block ls`)",
        ) from error
    return document.id
