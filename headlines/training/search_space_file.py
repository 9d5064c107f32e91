"""Reads the search space of a sweep from a TOML file; nothing in it is evaluated.

preset = "default"  # values of all other fields
trials = 20
seeds = 2
seed = 0            # of the random sample
folds = 4           # of train that measure a trial; without it, dev does

[space]
units = [32, 64, 128]
learning_rate = {low = 0.0003, high = 0.003, log = true}
patience = ["none", 3]  # "none" is null, which TOML lacks
"""

import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from headlines.errors import InputError
from headlines.models.presets import Locate, read_named_text, resolve_preset
from headlines.training.folds import MAX_FOLDS, MIN_FOLDS
from headlines.training.search_space import Choice, Range, SearchSpace
from lstm_model.presets import Preset

MAX_TRIALS, MAX_SEEDS = 300, 20
_MAX_NUMBER = 2**53  # up to here every integer is also a float
_KEYS = ("preset", "trials", "seeds", "seed", "folds", "space")
_NOT_SEARCHED = {
    "name": "every trial gets its own name",
    "seed": "`seeds` says how many are tried",
}
_NULL = "none"
_RANGE = "write {low = …, high = …}, or add log = true"


def read_space(file: str, locate: Locate = Path) -> SearchSpace:
    """Read the search space from a file.

    Args:
        file: its path, or what `locate` understands.
        locate: as of `headlines.models.presets.read_preset`.

    Raises:
        InputError: it cannot be read, or a value is not valid; the file and field are named.
    """
    try:
        data = tomllib.loads(read_named_text(file, locate))
    except (ValueError, RecursionError) as error:
        raise InputError(f"the file is not TOML ({error})", file, "fix the file") from error
    if unknown := sorted(set(data) - set(_KEYS)):
        raise InputError(
            f"unknown key {unknown[0]!r}",
            file,
            f"use {', '.join(_KEYS)}; fields of the preset go below [space]",
        )
    preset = _preset(file, data.get("preset", "default"), locate)
    table = data.get("space")
    if not isinstance(table, dict) or not table:
        raise InputError("there is nothing to search", f"{file}: [space]", "add fields there")
    space = SearchSpace(
        preset=preset,
        fields={name: _field(file, preset, name, values) for name, values in table.items()},
        max_trials=_number(file, data, "trials", 20, (1, MAX_TRIALS)),
        seeds=_number(file, data, "seeds", 2, (1, MAX_SEEDS)),
        seed=_number(file, data, "seed", 0, (0, _MAX_NUMBER)),
        folds=_number(file, data, "folds", 0, (MIN_FOLDS, MAX_FOLDS)) if "folds" in data else None,
    )
    try:
        space.trials()
    except ValueError as error:
        raise InputError(
            _message(error), f"{file}: [space]", "search these fields in separate files"
        ) from error
    return space


def _preset(file: str, name: object, locate: Locate) -> Preset:
    where = f"{file}: preset"
    if not isinstance(name, str):
        raise InputError("it must be a name", where, 'write preset = "default"')
    try:
        return resolve_preset(name, locate)
    except InputError as error:
        raise InputError(error.problem, where, error.hint) from error


def _number(
    file: str, data: Mapping[str, Any], name: str, default: int, bounds: tuple[int, int]
) -> int:
    value = data.get(name, default)
    low, high = bounds
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(
            f"{value!r:.40} is not an integer from {low} to {high}",
            f"{file}: {name}",
            "fix the value",
        )
    return value


def _field(file: str, preset: Preset, name: str, values: object) -> Choice | Range:
    where = f"{file}: [space] {name}"
    if name in _NOT_SEARCHED:
        raise InputError("it cannot be searched", where, f"remove it: {_NOT_SEARCHED[name]}")
    kinds = _kinds(name)
    if not kinds:
        _validate(where, preset, name, None)  # raises an error that lists the fields
    if isinstance(values, list) and values:
        has_null = NoneType in kinds
        choices: list[Any] = []
        for value in values:
            choice = _validate(where, preset, name, None if has_null and value == _NULL else value)
            if choice not in choices:  # not a set: a table has no hash
                choices.append(choice)
        return Choice(tuple(choices))
    if isinstance(values, dict):
        return _range(where, preset, name, values)
    raise InputError("there are no values to try", where, "write a [list] of values")


def _range(where: str, preset: Preset, name: str, table: Mapping[str, Any]) -> Range:
    kinds = _kinds(name)
    if not {int, float} & set(kinds):
        raise InputError("it is not a number and has no range", where, "write a [list] of values")
    if unknown := sorted(set(table) - {"low", "high", "log"}):
        raise InputError(f"unknown key {unknown[0]!r} in a range", where, _RANGE)
    for end in ("low", "high"):
        if not isinstance(table.get(end), int | float) or isinstance(table[end], bool):
            raise InputError(f"{end} is not a number", where, _RANGE)
    low, high = (_validate(where, preset, name, table[end]) for end in ("low", "high"))
    log = table.get("log", False)
    if not isinstance(log, bool):
        raise InputError("log must be true or false", where, _RANGE)
    if not low < high:
        raise InputError(f"low ({low}) is not below high ({high})", where, _RANGE)
    if log and low <= 0:
        raise InputError("low must be above 0 if log is true", where, _RANGE)
    return Range(low, high, log, integer=int in kinds)


def _validate(where: str, preset: Preset, name: str, value: Any) -> Any:
    """Check that the preset allows the value; returns a float for float fields."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and abs(value) > _MAX_NUMBER:
        raise InputError(f"numbers beyond {_MAX_NUMBER} are not allowed", where, "fix the value")
    try:
        Preset.from_dict({**preset.to_dict(), name: value})
    except ValueError as error:
        raise InputError(_message(error), where, "fix the field or value") from error
    return float(value) if number and float in _kinds(name) else value


def _message(error: ValueError) -> str:
    return str(error).removeprefix("preset: ")


def _kinds(name: str) -> tuple[type, ...]:
    """The types of a field, such as int and None; empty for an unknown field."""
    hint = typing.get_type_hints(Preset).get(name)
    return typing.get_args(hint) or ((hint,) if hint else ())
