"""Jobs, what was done before each, and what must hold of it whatever befalls it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headlines.storage.cleanup import clean_drafts
from headlines.storage.data_root import DataRoot

from .conftest import BATCHES, Victim, drafts, predicted, results, unopenable, write_batch

Before = Callable[[Victim, Path], Any]


def done(job: str, **arguments: Any) -> Before:
    return lambda victim, root: victim.do(job, root, **arguments)


def batch(kind: str) -> Before:
    return lambda _, root: write_batch(root, kind)


def damaged(directory: str) -> Before:
    return lambda _, root: max((root / directory).glob("*.parquet")).unlink()


def corpus_source(_: Victim, root: Path) -> None:
    lines = [f"{title},{number % 3}" for number, title in enumerate(BATCHES["first"])]
    (root / "corpus.csv").write_text("\n".join(["title,label", *lines]), encoding="utf-8")


@dataclass
class Scenario:
    """A job and what was done before it.

    Attributes:
        job: its name.
        arguments: of the job.
        before: what makes the data root that it finds.
        keeps: an artifact that is replaced and must be found in `superseded/` then.
    """

    job: str
    arguments: dict[str, Any]
    before: tuple[Before, ...] = ()
    keeps: str = ""


FIRST, SCORE = done("first_model"), done("score")
OLD, NEW = (done("publish_example", content=content) for content in ("old", "new"))
EXAMPLE, NEWS = "reports/example", "predictions/batch=news.csv"
SCENARIOS = {
    "ingest": Scenario("ingest_corpus", {}, (corpus_source,)),
    "publish": Scenario("publish_example", {"content": "new"}),
    "replace": Scenario("publish_example", {"content": "new"}, (OLD,)),
    "replace and keep": Scenario(
        "publish_example", {"content": "new", "keep_old": True}, (OLD,), keeps=EXAMPLE
    ),
    "replace a damaged one": Scenario(
        "publish_example", {"content": "new"}, (NEW, damaged(EXAMPLE))
    ),
    "first model": Scenario("first_model", {}),
    "second model": Scenario("second_model", {}, (FIRST,)),
    "promote": Scenario("promote", {}, (FIRST, done("second_model"))),
    "score": Scenario("score", {}, (FIRST, batch("first"))),
    "score a revision": Scenario(
        "score", {}, (FIRST, batch("first"), SCORE, batch("revised")), keeps=NEWS
    ),
    "score a revision without rejects": Scenario(
        "score", {}, (FIRST, batch("first"), SCORE, batch("clean")), keeps=NEWS
    ),
    "score where predictions are damaged": Scenario(
        "score", {}, (FIRST, batch("first"), SCORE, damaged(NEWS))
    ),
    "stop": Scenario("score", {}, (FIRST, batch("unusable"))),
    "score what was stopped": Scenario(
        "score", {"max_reject_rate": 0.9, "release": True}, (FIRST, batch("unusable"), SCORE)
    ),
}


class Story:
    """A scenario's data root before the job and after it, and copies of it that are harmed."""

    def __init__(self, scenario: Scenario, victim: Victim, directory: Path) -> None:
        self.scenario = scenario
        self.victim = victim
        self.start = directory / "start"
        self.root = directory / "root"  # one place for all copies: nothing may depend on it
        self.start.mkdir()
        for prepare in scenario.before:
            prepare(victim, self.start)
        self.copy()
        self.steps = victim.do(scenario.job, self.root, **scenario.arguments)["steps"]
        self.old, self.new = results(self.start), results(self.root)
        self.rows = (predicted(self.start), predicted(self.root))
        self.bad = {
            path.replace(str(self.start), str(self.root)) for path in unopenable(self.start)
        }
        written = [path for path in self.root.rglob("*") if path.is_file() and self.is_new(path)]
        self.file_sizes = {path.stat().st_size for path in written}

    def is_new(self, path: Path) -> bool:
        before = self.start / path.relative_to(self.root)
        return not before.is_file() or before.read_bytes() != path.read_bytes()

    def copy(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.start, self.root)

    def harmed(self, **harm: Any) -> bool:
        """Kill the job, look at what it left, and run it again; whether the harm reached it."""
        self.copy()
        answer = self.ask(harm)
        assert "error" not in answer, answer
        place = f"{harm}: {answer}"
        self.check_left(place)
        self.finish(place)
        return bool(answer["signal"])

    def ask(self, harm: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Do the job, to which some harm is done."""
        return self.victim.ask(
            self.scenario.job, self.root, harm, **self.scenario.arguments, **more
        )

    def check_left(self, place: str) -> None:
        """What readers find after the kill is old or new, and whole."""
        seen = results(self.root)
        for unit, content in seen.items():
            if not unit.endswith(".first-champion"):  # the note of what is to be completed
                assert content in (self.old.get(unit), self.new.get(unit)), (place, unit)
        assert unopenable(self.root) <= self.bad, place
        if keeps := self.scenario.keeps:
            assert self.old[keeps] in seen.values(), place
        assert predicted(self.root) in ([], *self.rows), place

    def finish(self, place: str) -> None:
        """Do the job unharmed where it was left: all is as if it had never been harmed."""
        self.victim.do(self.scenario.job, self.root, **self.scenario.arguments)
        assert results(self.root) == self.new, place
        assert not unopenable(self.root), place
        left = drafts(self.root)
        assert clean_drafts(DataRoot.open(self.root).store.work) == len(left), place
        assert not drafts(self.root), place
