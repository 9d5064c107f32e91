"""Finds presets by name, or reads them from files, such as the best one of a sweep.

A preset file is the JSON of `Preset.to_dict`: all fields and nothing else. It is not TOML because
some fields may be null.
"""

import json
from collections.abc import Callable
from pathlib import Path

from headlines.errors import DamagedArtifact, InputError, StoreError
from headlines.storage.layout import validate_name
from headlines.storage.manifest import read_text_limited
from lstm_model.presets import PRESETS, Preset

Locate = Callable[[str], Path]  # gives the path of a file that the user has named

_SUFFIX = ".json"
_MAX_CHARACTERS = 64 * 2**10  # a preset has about 500


def read_preset(file: str, locate: Locate = Path) -> Preset:
    """Read a preset from a file.

    Args:
        file: its path, or what `locate` understands.
        locate: gives the path; `DataRoot.file` also takes URLs in the data root's bucket.

    Raises:
        InputError: it cannot be read or is not a preset; or its name has characters other than
            ASCII letters, digits and `._-`, or belongs to a built-in preset with other values.
    """
    try:
        data = json.loads(read_named_text(file, locate))
    except (ValueError, RecursionError) as error:
        raise InputError(f"the file is not JSON ({error})", file, "fix the file") from error
    if not isinstance(data, dict):
        raise InputError("the file is not a JSON object", file, "write the fields of a preset")
    try:
        preset = Preset.from_dict(data)
    except ValueError as error:
        problem = str(error).removeprefix("preset: ")
        raise InputError(problem, file, "fix the field") from error
    validate_name(preset.name, f"preset name (in {file})")
    if preset.name in PRESETS and preset != PRESETS[preset.name]:
        raise InputError(
            f"{preset.name!r} is the name of a built-in preset", file, "choose another name"
        )
    return preset


def read_named_text(file: str, locate: Locate = Path) -> str:
    """Read a small text file that the user has named.

    Raises:
        InputError: it is missing, not a file, not UTF-8 or too large.
    """
    try:
        text = read_text_limited(locate(file))
    except StoreError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"the file cannot be read ({reason})", file, "check the path and permissions"
        ) from error
    except (ValueError, DamagedArtifact) as error:
        raise InputError(f"the file cannot be read ({error})", file, "check the path") from error
    if len(text) > _MAX_CHARACTERS:
        raise InputError(
            f"the file has {len(text):,} characters; the maximum is {_MAX_CHARACTERS:,}",
            file,
            "check the path",
        )
    return text


def preset_json(preset: Preset) -> str:
    """The text of a preset file."""
    return json.dumps(preset.to_dict(), ensure_ascii=False, indent=2) + "\n"


def resolve_preset(name: str, locate: Locate = Path) -> Preset:
    """The preset of that name or file.

    Args:
        name: one of `PRESETS`, or the path of a file that ends in `.json`.
        locate: as of `read_preset`.

    Raises:
        InputError: there is no such preset, or the file cannot be used.
    """
    if name in PRESETS:
        return PRESETS[name]
    if name.endswith(_SUFFIX):
        return read_preset(name, locate)
    raise InputError(
        f"there is no preset {name!r}",
        "--preset",
        f"use one of {', '.join(PRESETS)}, or the path of a preset file ({_SUFFIX})",
    )
