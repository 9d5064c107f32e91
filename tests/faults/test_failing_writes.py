"""Writes that fail below our code: each one once, or from one on for good, with ENOSPC and EIO."""

import errno
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from .conftest import Victim, results
from .failing_writes import Phase
from .stories import SCENARIOS, Story

FAILURES = [errno.ENOSPC, errno.EIO]
NAMES = ["score", "score a revision", "stop", "score what was stopped"]
SHARE = 2  # a run that is not `slow` has so many changes fail in each way
FOREVER = 10**9
TRIES = 4  # as Prefect tries a task
# Calls whose failure may go unnoticed: what they would have removed is swept later, and a folder
# that cannot be made may be there already. A copy by `sendfile` that fails goes on by `write`.
IGNORED = {"unlinkat", "rmdir", "mkdir", "sendfile64"}

harmed_stories = pytest.mark.parametrize(
    ("name", "failure"),
    [(name, failure) for name in NAMES for failure in FAILURES],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else value.replace(" ", "-"),
)


class Trial:
    """A story whose job meets with failing writes.

    Attributes:
        seen: how many runs there were, and how they ended.
        unnamed: errors that do not say which file or artifact they are about.
    """

    def __init__(self, story: Story, failure: int) -> None:
        self.story = story
        self.control = story.victim.control
        self.failure = failure
        self.seen: Counter[str] = Counter()
        self.unnamed: list[str] = []

    def changes(self) -> int:
        """How many changes of the file system the job makes when none fails."""
        self.story.copy()
        self.control.arm(self.story.root)
        assert "result" in self.story.ask({})
        return self.control.steps

    def fail(self, first: int, last: int, tries: int) -> None:
        """Have the changes from `first` to `last` fail, and look at what is left."""
        self.story.copy()
        self.control.arm(self.story.root, first, last, self.failure)
        answer = self.story.ask({}, tries=tries)
        place = f"{first} to {last}, {tries} tries, {self.control.call!r}: {answer}"
        assert self.control.harmed, place
        assert not answer["signal"], place
        self.seen["runs"] += 1
        self.story.check_left(place)
        if "error" in answer:
            self.check_error(answer["error"], place)
            if last == first and tries > 1:  # what is outside of Prefect's tasks
                assert self.control.phase == Phase.STARTING, place
        else:
            assert results(self.story.root) == self.story.new, place
            # A piece of a batch that is stopped need not be scored.
            if last == first and tries == 1 and answer["result"] != "stopped":
                assert self.control.call.decode() in IGNORED, place
            self.seen["right_at_once" if tries == 1 else "right_after_retries"] += 1
        self.control.arm(self.story.root)
        self.story.finish(place)
        self.seen["right_when_run_again"] += 1

    def check_error(self, error: list[str], place: str) -> None:
        """Check that an error says what is wrong, and with which file."""
        self.seen["errors"] += 1
        kind, text = error
        assert kind == "OSError", place  # never taken for wrong input
        if str(self.story.root) not in text:
            self.unnamed.append(f"{self.control.call.decode()}: {text}")


@pytest.fixture
def trial(request: pytest.FixtureRequest, fragile: Victim, tmp_path: Path) -> Trial:
    name, failure = request.getfixturevalue("name"), request.getfixturevalue("failure")
    return Trial(Story(SCENARIOS[name], fragile, tmp_path), failure)


@harmed_stories
def test_a_share_of_the_writes_fails(trial: Trial, name: str, failure: int) -> None:
    changes = trial.changes()
    seeded = random.Random(f"{name} {failure}")
    for number in seeded.sample(range(1, changes + 1), SHARE):
        trial.fail(number, number, tries=1)
        trial.fail(number, number, tries=TRIES)
        trial.fail(number, FOREVER, tries=2)
    assert not trial.unnamed


@pytest.mark.slow
@pytest.mark.faults
@harmed_stories
def test_every_write_fails_once_and_for_good(
    trial: Trial, name: str, failure: int, count: Callable[..., None]
) -> None:
    changes = trial.changes()
    for number in range(1, changes + 1):
        trial.fail(number, number, tries=1)
        trial.fail(number, number, tries=TRIES)
        trial.fail(number, FOREVER, tries=2)
    count(
        f"{name}, {errno.errorcode[failure]}",
        changes=changes,
        **trial.seen,
        errors_without_a_file=len(trial.unnamed),
    )
    assert not trial.unnamed


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("failure", FAILURES, ids=errno.errorcode.get)
def test_writes_fail_in_worker_processes(
    fragile: Victim, tmp_path: Path, failure: int, count: Callable[..., None]
) -> None:
    """As above, by the way an error takes from a worker to the run."""
    scenario = replace(SCENARIOS["score"], arguments={"workers": 2, "chunk_rows": 2})
    trial = Trial(Story(scenario, fragile, tmp_path), failure)
    changes = trial.changes()
    for number in random.Random(failure).sample(range(1, changes + 1), 12):
        trial.fail(number, number, tries=1)
        trial.fail(number, FOREVER, tries=2)
    count(
        f"score by workers, {errno.errorcode[failure]}",
        changes=changes,
        **trial.seen,
        errors_without_a_file=len(trial.unnamed),
    )
    assert not trial.unnamed
