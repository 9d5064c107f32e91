"""The trials of a space: reproducible, each value from its list or range."""

from dataclasses import replace
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from headlines.storage.layout import validate_name
from headlines.training.search_space import Choice, Range, SearchSpace
from lstm_model.presets import PRESETS, Preset

BASE = PRESETS["notebook"]


def space(fields: dict[str, Choice | Range], most: int = 6, seed: int = 0) -> SearchSpace:
    return SearchSpace(BASE, fields, most, seeds=2, seed=seed)


def points(searched: SearchSpace) -> list[tuple[Any, ...]]:
    return [tuple(trial.values.values()) for trial in searched.trials()]


DRAWN = {
    "units": Range(8, 256, log=True, integer=True),
    "learning_rate": Range(1e-4, 1e-2, log=True, integer=False),
    "dropout": Range(0.0, 0.6, log=False, integer=False),
    "rules": Choice(("verbatim", "text_vectorization")),
}
GOLDEN = [
    (32, 0.002569, 0.0268, "verbatim"),
    (56, 0.002598, 0.5458, "text_vectorization"),
    (105, 0.003385, 0.1424, "text_vectorization"),
    (180, 0.0004271, 0.5726, "verbatim"),
]


def test_the_sample_is_reproducible() -> None:
    assert points(space(DRAWN, 4)) == GOLDEN
    # More trials, or another field, do not change the first ones.
    assert points(space(DRAWN, 9))[:4] == GOLDEN
    more = space(DRAWN | {"epochs": Range(1, 9, log=False, integer=True)}, 4)
    assert [values[:4] for values in points(more)] == GOLDEN
    assert not set(points(space(DRAWN, 4, seed=1))) & set(GOLDEN)


def test_a_small_space_is_searched_completely() -> None:
    fields = {"units": Choice((4, 8)), "epochs": Range(1, 3, log=False, integer=True)}
    whole = [(4, 1), (4, 2), (4, 3), (8, 1), (8, 2), (8, 3)]
    assert points(space(fields, 6)) == whole
    assert points(space(fields, 300)) == whole
    few = points(space(fields, 5))
    assert len(few) == len(set(few)) == 5
    assert set(few) < set(whole)
    assert few != whole[:5]  # a random sample, not the first ones


def test_equal_trials_are_dropped_and_an_exhausted_range_ends() -> None:
    narrow = Range(0.10001, 0.10004, log=False, integer=False)  # all but the ends round to 0.1
    assert 1 <= len(points(space({"dropout": narrow}, 50))) <= 3


def test_a_trial_has_its_values_and_a_unique_name() -> None:
    base = replace(BASE, seed=9)
    fields: dict[str, Choice | Range] = {"units": Choice((4, 8)), "patience": Choice((None, 3))}
    trials = SearchSpace(base, fields, 9, seeds=3, seed=0).trials()
    assert [trial.number for trial in trials] == [1, 2, 3, 4]
    assert len({trial.preset.name for trial in trials}) == 4
    for trial in trials:
        assert trial.preset == replace(base, name=trial.preset.name, **trial.values)
        assert [preset.seed for preset in trial.with_seeds(3)] == [0, 1, 2]
        assert validate_name(trial.preset.name, "name").startswith("notebook-")
    # The name depends on the values: another sweep with them has the same trial.
    [again] = space({"units": Choice((8,)), "patience": Choice((3,))}).trials()
    assert again.preset.name == trials[-1].preset.name


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    log, whole = draw(st.booleans()), draw(st.booleans())
    least = 1e-9 if log else -1e9
    number: Any = st.integers(1 if log else -(10**9), 10**9) if whole else st.floats(least, 1e9)
    low, high = sorted((draw(number), draw(number)))
    assume(low < high)
    return Range(low, high, log, whole)


@given(ranges(), st.floats(0, 1, exclude_max=True))
def test_a_drawn_number_lies_in_its_range(field: Range, share: float) -> None:
    value = field.at(share)
    assert field.low <= value <= field.high
    assert isinstance(value, int) or not field.integer


@given(
    st.dictionaries(
        st.sampled_from(["units", "epochs", "batch_size", "min_count"]),
        st.one_of(
            st.lists(st.integers(1, 99), min_size=1, unique=True).map(tuple).map(Choice),
            st.tuples(st.integers(1, 9), st.integers(10, 99), st.booleans()).map(
                lambda three: Range(three[0], three[1], three[2], integer=True)
            ),
        ),
        min_size=1,
    ),
    st.integers(1, 40),
    st.integers(0, 2**53),
)
def test_trials_are_distinct_and_reproducible(
    fields: dict[str, Choice | Range], most: int, seed: int
) -> None:
    searched = space(fields, most, seed)
    trials = searched.trials()
    assert trials == searched.trials()
    assert 1 <= len(trials) <= most
    assert len({replace(trial.preset, name="") for trial in trials}) == len(trials)
    for trial in trials:
        assert Preset.from_dict(trial.preset.to_dict()) == trial.preset
        for name, value in trial.values.items():
            assert value in fields[name].values


def test_values_at_fractions_of_a_range() -> None:
    shares = (0.0, 0.25, 0.5, 0.75, 1 - 2**-53)
    log = Range(1.0, 10_000.0, log=True, integer=False)
    assert [log.at(share) for share in shares] == [1, 10, 100, 1000, 10_000]
    plain = Range(1.0, 5.0, log=False, integer=False)
    assert [plain.at(share) for share in shares] == [1, 2, 3, 4, 5]
    whole = Range(1, 4, log=False, integer=True)  # all equally likely
    assert [whole.at(share) for share in shares] == [1, 2, 3, 4, 4]
