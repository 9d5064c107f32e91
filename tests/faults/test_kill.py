"""Jobs that are killed between any two changes of the file system, and in the middle of a write."""

import random
from pathlib import Path

import pytest

from headlines.errors import InputError
from headlines.models import champion, registry
from headlines.storage.data_root import DataRoot

from .conftest import BATCHES, Victim
from .stories import SCENARIOS, Story

SHARE = 4  # a run that is not `slow` takes one step in so many


@pytest.fixture(params=SCENARIOS, ids=lambda name: name.replace(" ", "-"))
def story(request: pytest.FixtureRequest, victim: Victim, tmp_path: Path) -> Story:
    return Story(SCENARIOS[request.param], victim, tmp_path)


def test_killed_at_a_share_of_the_steps(story: Story, request: pytest.FixtureRequest) -> None:
    seeded = random.Random(request.node.name)
    for step in seeded.sample(range(1, story.steps + 1), -(-story.steps // SHARE)):
        assert story.harmed(die_at=step)


@pytest.mark.slow
@pytest.mark.faults
def test_killed_at_every_step(story: Story) -> None:
    for step in range(1, story.steps + 1):
        assert story.harmed(die_at=step)


def test_killed_in_the_middle_of_a_write(story: Story) -> None:
    """The kernel kills it when a file would grow beyond some bytes: half of one, all but one."""
    sizes = {part for size in story.file_sizes if size for part in (size // 2, size - 1)}
    killed = [story.harmed(file_limit=size, die_at_limit=True) for size in sorted(sizes)]
    assert sum(killed) >= 2


def test_killed_while_the_first_champion_is_made(victim: Victim, tmp_path: Path) -> None:
    """At every step a run gets the whole champion, or an error that says what is wrong."""
    data = DataRoot.open(tmp_path / "whole")
    for step in range(1, victim.do("first_model", data.store.directory)["steps"] + 1):
        data = DataRoot.open(tmp_path / str(step))
        victim.ask("first_model", data.store.directory, {"die_at": step})
        try:
            assert champion.open_champion(data).version == "first"
        except InputError as error:
            message = str(error)
            assert "no model to score with" in message or "no champion.json says" in message
        was_published = bool(registry.versions(data))

        champion.finish_first_promotion(data)

        if was_published:
            assert champion.open_champion(data).version == "first"
        else:
            assert registry.is_empty(data)


def test_the_scenarios_do_what_their_names_say(victim: Victim, tmp_path: Path) -> None:
    rows = {}
    for number, (name, scenario) in enumerate(SCENARIOS.items()):
        (tmp_path / str(number)).mkdir()
        rows[name] = Story(scenario, victim, tmp_path / str(number)).rows
    usable = {kind: [n for n, t in enumerate(b) if t.strip()] for kind, b in BATCHES.items()}
    assert rows["score"] == ([], usable["first"])
    assert rows["score a revision"] == (usable["first"], usable["revised"])
    assert rows["stop"] == ([], [])
    assert rows["score what was stopped"] == ([], usable["unusable"])
