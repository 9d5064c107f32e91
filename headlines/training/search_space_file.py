"""Reads the space of a sweep from a TOML file; nothing in it is evaluated.

preset = "default"  # what all other fields are from
trials = 20
seeds = 2
seed = 0            # of the sample

[space]
units = [32, 64, 128]
learning_rate = {low = 0.0003, high = 0.003, log = true}
patience = ["none", 3]  # "none" is null, which TOML lacks
"""

import tomllib
import typing
from collections.abc import Mapping
from types import NoneType
from typing import Any

from headlines.errors import InputError
from headlines.models.presets import read_named_text, resolve_preset
from headlines.training.search_space import Choice, Range, Space
from lstm_model.presets import Preset

MOST_TRIALS, MOST_SEEDS = 300, 20
_LARGEST = 2**53  # up to here every whole number is a float too
_KEYS = ("preset", "trials", "seeds", "seed", "space")
_NOT_SEARCHED = {
    "name": "every trial has a name of its own",
    "seed": "`seeds` says how many are tried",
}
_NULL = "none"
_RANGE = "write {low = …, high = …}, or add log = true"


def read_space(file: str) -> Space:
    """The space in a file.

    Args:
        file: its path, or its address in the data root's bucket.

    Raises:
        InputError: it cannot be read, or says what cannot be tried; file and field are named.
    """
    try:
        data = tomllib.loads(read_named_text(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"the file is not TOML ({error})", file, "mend it") from error
    if unknown := sorted(set(data) - set(_KEYS)):
        raise InputError(
            f"{unknown[0]!r} is not known",
            file,
            f"use {', '.join(_KEYS)}; fields of the preset go below [space]",
        )
    preset = _preset(file, data.get("preset", "default"))
    table = data.get("space")
    if not isinstance(table, dict) or not table:
        raise InputError("there is nothing to search", f"{file}: [space]", "name fields there")
    space = Space(
        preset=preset,
        fields={name: _field(file, preset, name, what) for name, what in table.items()},
        most=_number(file, data, "trials", 20, (1, MOST_TRIALS)),
        seeds=_number(file, data, "seeds", 2, (1, MOST_SEEDS)),
        seed=_number(file, data, "seed", 0, (0, _LARGEST)),
    )
    try:
        space.trials()
    except ValueError as error:
        raise InputError(
            _told(error), f"{file}: [space]", "search the fields in files of their own"
        ) from error
    return space


def _preset(file: str, name: object) -> Preset:
    where = f"{file}: preset"
    if not isinstance(name, str):
        raise InputError("a name is wanted", where, 'write preset = "default"')
    try:
        return resolve_preset(name)
    except InputError as error:
        raise InputError(error.problem, where, error.hint) from error


def _number(
    file: str, data: Mapping[str, Any], name: str, default: int, bounds: tuple[int, int]
) -> int:
    value = data.get(name, default)
    low, high = bounds
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(
            f"{value!r:.40} is no whole number from {low} to {high}", f"{file}: {name}", "mend it"
        )
    return value


def _field(file: str, preset: Preset, name: str, what: object) -> Choice | Range:
    where = f"{file}: [space] {name}"
    if name in _NOT_SEARCHED:
        raise InputError("it cannot be searched", where, f"leave it away: {_NOT_SEARCHED[name]}")
    kinds = _kinds(name)
    if not kinds:
        _fitting(where, preset, name, None)  # which says what fields there are
    if isinstance(what, list) and what:
        nulls = NoneType in kinds
        values = [None if nulls and value == _NULL else value for value in what]
        fitting = [_fitting(where, preset, name, value) for value in values]
        # A value may be a table, which has no hash; equal ones are one.
        return Choice(tuple(value for at, value in enumerate(fitting) if value not in fitting[:at]))
    if isinstance(what, dict):
        return _range(where, preset, name, what)
    raise InputError("there are no values to try", where, "write [a list] of them")


def _range(where: str, preset: Preset, name: str, table: Mapping[str, Any]) -> Range:
    kinds = _kinds(name)
    if not {int, float} & set(kinds):
        raise InputError("it is no number and has no range", where, "write [a list] of values")
    if unknown := sorted(set(table) - {"low", "high", "log"}):
        raise InputError(f"{unknown[0]!r} is not known of a range", where, _RANGE)
    for end in ("low", "high"):
        if not isinstance(table.get(end), int | float) or isinstance(table[end], bool):
            raise InputError(f"{end} is no number", where, _RANGE)
    low, high = (_fitting(where, preset, name, table[end]) for end in ("low", "high"))
    log = table.get("log", False)
    if not isinstance(log, bool):
        raise InputError("log must be true or false", where, _RANGE)
    if not low < high:
        raise InputError(f"low ({low}) is not below high ({high})", where, _RANGE)
    if log and low <= 0:
        raise InputError("where log is true, low must be above 0", where, _RANGE)
    return Range(low, high, log, whole=int in kinds)


def _fitting(where: str, preset: Preset, name: str, value: Any) -> Any:
    """A value that the preset itself lets the field have; a float wherever it is of floats."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and abs(value) > _LARGEST:
        raise InputError(f"numbers beyond {_LARGEST} are not tried", where, "mend the value")
    try:
        Preset.from_dict({**preset.to_dict(), name: value})
    except ValueError as error:
        raise InputError(_told(error), where, "mend field or value") from error
    return float(value) if number and float in _kinds(name) else value


def _told(error: ValueError) -> str:
    return str(error).removeprefix("preset: ")


def _kinds(name: str) -> tuple[type, ...]:
    """What a field may be, such as int and None; nothing for a field that is unknown."""
    hint = typing.get_type_hints(Preset).get(name)
    return typing.get_args(hint) or ((hint,) if hint else ())
