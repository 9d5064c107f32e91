"""Preset files: valid ones are read, others are refused with file and field."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headlines.errors import InputError
from headlines.models.presets import preset_json, resolve_preset
from lstm_model.presets import PRESETS

GOOD = replace(PRESETS["notebook"], name="mine", units=7, patience=None)


@pytest.mark.parametrize("preset", [GOOD, *PRESETS.values()], ids=lambda preset: preset.name)
def test_a_preset_file_round_trip(tmp_path: Path, preset: Any) -> None:
    file = tmp_path / "a.json"
    file.write_text(preset_json(preset), encoding="utf-8")
    assert resolve_preset(str(file)) == preset


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "not JSON"),
        ("[" * 40_000, "not JSON"),
        ("[]", "not a JSON object"),
        (b"\xff\xfe", "cannot be read"),
        (" " * 65_537, "65,537 characters"),
        ({"units": 0}, "units must be an integer from 1 up, not 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0, not nan"),
        ({"layers": 3}, "unknown field 'layers'"),
        ({"pairs": 3}, "pairs must be an object or null, not 3"),
        ({"name": "../mine"}, "cannot be a preset name"),
        ({"name": ""}, "cannot be a preset name"),
        ({"name": "default"}, "'default' is the name of a built-in preset"),
    ],
)
def test_an_invalid_preset_file_is_refused(tmp_path: Path, content: Any, expected: str) -> None:
    file = tmp_path / "bad.json"
    if isinstance(content, dict):
        content = json.dumps(GOOD.to_dict() | content)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        resolve_preset(str(file))
    assert expected in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_field_that_is_missing_is_named(tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text(json.dumps({k: v for k, v in GOOD.to_dict().items() if k != "units"}))
    with pytest.raises(InputError, match="the field 'units' is missing"):
        resolve_preset(str(file))


def test_special_files_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    for name in ("pipe.json", "folder.json", "missing.json"):
        with pytest.raises(InputError, match="cannot be read"):
            resolve_preset(str(tmp_path / name))


@pytest.mark.parametrize("name", ["", "mine", "/etc/passwd", "default.toml"])
def test_only_files_with_the_preset_suffix_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if name and "/" not in name:
        Path(name).write_text(preset_json(GOOD), encoding="utf-8")
    with pytest.raises(InputError, match="there is no preset"):
        resolve_preset(name)


def test_built_in_presets_win_over_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(PRESETS, "x.json", PRESETS["notebook"])
    Path("x.json").write_text(preset_json(GOOD), encoding="utf-8")
    assert resolve_preset("x.json") is PRESETS["notebook"]
