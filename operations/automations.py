"""Automations of the server: runs without a heartbeat are crashed, and alerts are sent.

An automation is known by its name, and brought to what stands here at each `make up`.
"""

from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from headlines.errors import InputError
from operations.worker import HEARTBEAT_SECONDS
from tasks.alerts import ALERT

_HEARTBEAT = "headlines: crash runs that have no heartbeat"
_ENDED = "headlines: alert when a run fails or crashes"
_TOLD = "headlines: alert when a run calls for a person"
_MISSED = 3  # heartbeats in a row: one that comes late is no crash

_RUNS = ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]})


def heartbeat() -> AutomationCore:
    """Marks a flow run as crashed whose process and worker are both gone.

    As in "How to detect and respond to zombie flows" of Prefect's documentation.
    """
    ends = ("Completed", "Failed", "Cancelled", "Crashed")
    beat = "prefect.flow-run.heartbeat"
    return AutomationCore(
        name=_HEARTBEAT,
        description="The process of the run and its worker are gone; `prefect flow-run retry` "
        "goes on from what was finished.",
        trigger=EventTrigger(
            after={beat},
            expect={beat, *(f"prefect.flow-run.{end}" for end in ends)},
            match=_RUNS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=_MISSED * HEARTBEAT_SECONDS),
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


def alerts(block: UUID) -> list[AutomationCore]:
    """Send a message by a notification block when a run ends badly or calls for a person."""
    ended = EventTrigger(
        expect={f"prefect.flow-run.{end}" for end in ("Failed", "Crashed", "TimedOut")},
        match=_RUNS,
        match_related=ResourceSpecification({"prefect.resource.id": ["prefect.deployment.*"]}),
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    told = EventTrigger(
        expect={f"{ALERT}.*"}, posture=Posture.Reactive, threshold=1, within=timedelta(0)
    )
    return [
        AutomationCore(
            name=_ENDED,
            trigger=ended,
            actions=[
                SendNotification(
                    block_document_id=block,
                    subject="headlines: {{ flow_run.name }} {{ flow_run.state.name }}",
                    body="{{ flow_run.state.message }}\n{{ flow_run|ui_url }}",
                )
            ],
        ),
        AutomationCore(
            name=_TOLD,
            trigger=told,
            actions=[
                SendNotification(
                    block_document_id=block,
                    subject="headlines: {{ event.payload.what }}",
                    body="{{ event.payload.detail }}",
                )
            ],
        ),
    ]


async def watch_heartbeats() -> None:
    """Have the server crash runs whose heartbeat is gone."""
    async with get_client() as client:
        await _put(client, heartbeat())


async def send_alerts(block: str) -> None:
    """Have the server send alerts by a saved notification block, `type/name`.

    Raises:
        InputError: there is no such block.
    """
    async with get_client() as client:
        document = await _block_id(client, block)
        for automation in alerts(document):
            await _put(client, automation)


async def send_no_alerts() -> None:
    """Take the automations of the alerts away."""
    async with get_client() as client:
        for name in (_ENDED, _TOLD):
            for automation in await client.read_automations_by_name(name):
                await client.delete_automation(automation.id)


async def alert_block() -> str | None:
    """The notification block that alerts are sent by; None where they are off."""
    async with get_client() as client:
        found = await client.read_automations_by_name(_ENDED)
        if not found:
            return None
        action = found[0].actions[0]
        assert isinstance(action, SendNotification)
        document = await client.read_block_document(action.block_document_id)
        assert document.block_type is not None
        return f"{document.block_type.slug}/{document.name}"


async def _put(client: PrefectClient, automation: AutomationCore) -> None:
    known = await client.read_automations_by_name(automation.name)
    if known:
        await client.update_automation(known[0].id, automation)
        for twice in known[1:]:
            await client.delete_automation(twice.id)
    else:
        await client.create_automation(automation)


async def _block_id(client: PrefectClient, block: str) -> UUID:
    slug, _, name = block.partition("/")
    try:
        document = await client.read_block_document_by_name(name, slug)
    except ObjectNotFound as error:
        raise InputError(
            f"there is no notification block {block!r}",
            "the server",
            "save one on its page Blocks, and name it as TYPE/NAME (`prefect block ls`)",
        ) from error
    return document.id
