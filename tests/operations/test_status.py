"""What is said of the last night."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from headlines.errors import InputError
from operations.status import describe_night


def night(state: StateType, *, hours_ago: float = 2, begun: bool = True) -> FlowRun:
    """A scheduled night in that state."""
    due = datetime.now(UTC) - timedelta(hours=hours_ago)
    return FlowRun(
        name="nightly",
        flow_id=uuid4(),
        state=State(type=state),
        expected_start_time=due,
        start_time=due if begun else None,
    )


@pytest.mark.parametrize("state", [StateType.COMPLETED, StateType.RUNNING])
def test_a_night_that_works_is_good(state: StateType) -> None:
    assert describe_night(night(state)).startswith(f"nightly: {state.value.capitalize()}, ")


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize(
    "state", [StateType.FAILED, StateType.CRASHED, StateType.CANCELLED, StateType.CANCELLING]
)
def test_a_night_without_result_is_a_problem(state: StateType, begun: bool) -> None:
    with pytest.raises(InputError, match=f"nightly: {state.value.capitalize()}, .* flow-run logs"):
        describe_night(night(state, begun=begun))


def test_a_missed_night_is_a_problem() -> None:
    with pytest.raises(InputError, match=r"Completed, .*; none since"):
        describe_night(night(StateType.COMPLETED, hours_ago=30))
