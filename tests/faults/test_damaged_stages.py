"""What each stage leaves, cut or with a bit flipped: always found, then rebuilt or refused."""

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headlines.errors import DamagedArtifact, InputError
from headlines.models import champion
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import MANIFEST

from .conftest import Victim, predicted, results, unopenable, write_batch

MANY, FEW = 100, 2  # cuts, and as many flipped bits
TOKENS = "tokens/????????????????"  # next to `tokens/by-content`


@dataclass(frozen=True)
class Kind:
    """Files that a stage leaves.

    Attributes:
        files: a pattern below the data root.
        job: what needs them, and rebuilds them; None: what needs them fails.
        without: what is taken away beforehand, so that the job does need them.
    """

    files: str
    job: str | None = None
    without: str | None = None


KINDS = {
    "admitted pieces": Kind(".work/admitted/*/*", "score"),
    "scored pieces": Kind(".work/chunks/*/*", "score"),
    "predictions": Kind("predictions/*/*", "score"),
    "corpus": Kind("corpus/**/*", "segment_corpus"),
    "tokens": Kind(f"{TOKENS}/**/*", "segment_corpus"),
    "token cache": Kind("tokens/by-content/**/*", "segment_corpus", TOKENS),
    "model": Kind("models/first/*"),
    "champion pointer": Kind("models/champion.json"),
    "manifests": Kind(f"**/{MANIFEST}"),
}


@dataclass(frozen=True)
class Damage:
    """One file that was harmed: its path below the root, how, and what is left of it."""

    path: str
    what: str
    content: bytes


def damages(root: Path, files: str, number: int) -> Iterator[Damage]:
    """So many cuts and so many flipped bits, spread over the files of a kind."""
    seeded = random.Random(files)
    paths = [path for path in sorted(root.glob(files)) if path.is_file()]
    for count in range(2 * number):
        path = paths[count % len(paths)]
        whole = path.read_bytes()
        if count < number:
            # Text that lacks its last newline says all the same.
            length = seeded.randrange(len(whole.removesuffix(b"\n")))
            what, content = "cut", whole[:length]
        else:
            harmed = bytearray(whole)
            harmed[seeded.randrange(len(whole))] ^= 1 << seeded.randrange(8)
            what, content = "flipped", bytes(harmed)
        yield Damage(path.relative_to(root).as_posix(), what, content)


def found(root: Path) -> dict[str, dict[str, Any]]:
    """What readers can see, but for how many words were found in the cache and how many cut."""
    seen = results(root)
    for content in seen.values():
        for name in ("segmented", "reused"):
            content.get(MANIFEST, {}).get("counts", {}).pop(name, None)
    return seen


class Stages:
    """A data root in which every stage has left its files, and a copy of it to be harmed.

    The batch in it is scored; but where `in_the_middle`, the run that scores it was killed when it
    had all pieces and had published nothing.
    """

    def __init__(self, victim: Victim, directory: Path, *, in_the_middle: bool) -> None:
        self.victim = victim
        self.start, self.root, before = (directory / name for name in ("start", "root", "before"))
        victim.do("first_model", before)
        write_batch(before, "first")
        shutil.copy(before / "inbox" / "news.csv", before / "corpus.csv")
        victim.do("ingest_corpus", before)
        victim.do("segment_corpus", before)
        shutil.copytree(before, self.start)
        steps = victim.do("score", self.start)["steps"]
        self.whole = found(self.start)
        if not in_the_middle:
            return
        for step in range(steps):
            shutil.rmtree(self.start)
            shutil.copytree(before, self.start)
            victim.ask("score", self.start, {"die_at": step})
            if len([*self.start.glob(".work/chunks/*")]) == 2:
                return
        raise AssertionError("the run never had both pieces")

    def harm(self, damage: Damage, without: str | None) -> None:
        """Make a copy with that damage."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.start, self.root)
        for place in self.root.glob(without) if without else ():
            shutil.rmtree(place)
        (self.root / damage.path).write_bytes(damage.content)

    def fate(self, damage: Damage, kind: Kind) -> str:
        """What becomes of a damaged file: `rebuilt`, `refused`, or what is wrong."""
        self.harm(damage, kind.without)
        if kind.job:
            answer = self.victim.ask(kind.job, self.root, {})
            if "error" in answer:
                refused = answer["error"][0] == "InputError" and "damaged" in answer["error"][1]
                return "refused" if refused else str(answer)
            quarantined = (self.root / ".work" / "damaged").rglob(Path(damage.path).name)
            if damage.content not in [path.read_bytes() for path in quarantined]:
                return "not quarantined"
            as_it_was = found(self.root) == self.whole and not unopenable(self.root)
            return "rebuilt" if as_it_was else "rebuilt otherwise"
        return "refused" if self.is_refused(self.root / damage.path) else "taken for whole"

    def is_refused(self, path: Path) -> bool:
        """Whether reading it fails with an error that says what is damaged and where."""
        data = DataRoot.open(self.root)
        if path.is_relative_to(self.root / "models"):
            place = path if path.name == "champion.json" else path.parent
            with pytest.raises(InputError, match=r"damaged|cannot be read") as refusal:
                champion.open_champion(data)
            return refusal.value.location == str(place) and bool(refusal.value.hint)
        for read in (data.store.manifest, data.store.open):
            with pytest.raises(DamagedArtifact) as damaged:
                read(path.parent.relative_to(self.root).as_posix())
            assert damaged.value.directory == str(path.parent)
        return True


@pytest.fixture
def stages(request: pytest.FixtureRequest, victim: Victim, tmp_path: Path) -> Stages:
    files = KINDS[request.getfixturevalue("name")].files
    return Stages(victim, tmp_path, in_the_middle=files.startswith(".work"))


def fates(stages: Stages, name: str, number: int) -> Counter[str]:
    """How many of the damages to a kind of file had which fate."""
    kind = KINDS[name]
    seen: Counter[str] = Counter()
    for damage in damages(stages.start, kind.files, number):
        seen[f"{damage.what} {stages.fate(damage, kind)}"] += 1
    return seen


def all_found(seen: Counter[str], number: int) -> bool:
    good = {f"{what} {fate}" for what in ("cut", "flipped") for fate in ("rebuilt", "refused")}
    return set(seen) <= good and seen.total() == 2 * number


@pytest.mark.parametrize("name", KINDS)
def test_a_few_damages_are_all_found(stages: Stages, name: str) -> None:
    seen = fates(stages, name, FEW)
    assert all_found(seen, FEW), seen


@pytest.mark.parametrize("name", ["chunks/*/part.parquet", "admitted/*/rejects.parquet"])
def test_a_bit_flipped_before_publishing_is_not_published(
    victim: Victim, tmp_path: Path, name: str
) -> None:
    victim.do("first_model", tmp_path / "whole")
    write_batch(tmp_path / "whole", "first")
    shutil.copytree(tmp_path / "whole", tmp_path / "harmed")
    victim.do("score", tmp_path / "whole")
    whole = results(tmp_path / "whole")
    for place in (0.1, 0.3, 0.5, 0.7):
        root = shutil.copytree(tmp_path / "harmed", tmp_path / str(place))
        arguments = {"files": f".work/{name}", "place": place}
        answer = victim.ask("score_spoiled", root, {}, **arguments)
        assert answer.get("error", ["none"])[0] == "DamagedArtifact", answer
        assert not predicted(root)

        assert victim.do("score", root)["result"] == "scored"
        assert results(root) == whole


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("name", KINDS)
def test_a_hundred_cuts_and_a_hundred_flipped_bits_are_all_found(
    stages: Stages, name: str, count: Callable[..., None]
) -> None:
    seen = fates(stages, name, MANY)
    count(f"damaged: {name}", **{what.replace(" ", "_"): number for what, number in seen.items()})
    assert all_found(seen, MANY), seen
