"""Presets in files: settings of a person's own, or those that a sweep found best.

A preset file is the JSON of `Preset.to_dict`: all fields, and nothing else. It is not TOML, as some
fields may be null.
"""

import json
from typing import TYPE_CHECKING

from headlines.errors import InputError
from headlines.storage.artifact import have_here
from headlines.storage.layout import Catalog, validate_name
from headlines.storage.manifest import read_text_limited
from lstm_model.presets import PRESETS, Preset

if TYPE_CHECKING:
    pass

ENDING = ".json"
_LARGEST = 64 * 2**10  # characters; a preset has some 500


def read_preset(file: str) -> Preset:
    """The preset in a file.

    Args:
        file: its path, or its address in the data root's bucket.

    Raises:
        InputError: it cannot be read; it is no preset; its name holds anything but ASCII letters,
            digits and `._-`, or is that of a preset which has other values.
    """
    try:
        data = json.loads(read_named_text(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"the file is not JSON ({error})", file, "write it anew") from error
    if not isinstance(data, dict):
        raise InputError("the file is no JSON object", file, "write the fields of a preset there")
    try:
        preset = Preset.from_dict(data)
    except ValueError as error:
        what = str(error).removeprefix("preset: ")
        raise InputError(what, file, "mend the field") from error
    validate_name(preset.name, f"preset name (in {file})")
    if preset.name in PRESETS and preset != PRESETS[preset.name]:
        raise InputError(
            f"{preset.name!r} is the name of another preset", file, "give it a name of its own"
        )
    return preset


def read_named_text(file: str) -> str:
    """The text of a small file that a person has named.

    Raises:
        InputError: it is missing, no file, no UTF-8 or too large.
    """
    path = Catalog.from_environment().named(file)
    have_here(path.parent, path.name)  # what a sweep has left in a bucket
    try:
        text = read_text_limited(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"the file cannot be read ({reason})", file, "check path and permissions"
        ) from error
    except ValueError as error:
        raise InputError(f"the file cannot be read ({error})", file, "check the path") from error
    if len(text) > _LARGEST:
        raise InputError(
            f"the file has {len(text):,} characters, and at most {_LARGEST:,} are read",
            file,
            "check the path",
        )
    return text


def to_json(preset: Preset) -> str:
    """The text of a preset file."""
    return json.dumps(preset.to_dict(), ensure_ascii=False, indent=2) + "\n"


def resolve_preset(name: str) -> Preset:
    """The preset of that name, or that of a preset file.

    Args:
        name: one of `PRESETS`; anything else that ends in `.json` is the path of a file.

    Raises:
        InputError: there is none, or the file cannot be used.
    """
    if name in PRESETS:
        return PRESETS[name]
    if name.endswith(ENDING):
        return read_preset(name)
    raise InputError(
        f"there is no preset {name!r}",
        "--preset",
        f"use one of {', '.join(PRESETS)}, or the path of a preset file ({ENDING})",
    )
