from __future__ import annotations

import logging

import numpy as np
import pytest

from lstm_model.checkpoint import Checkpoint, Progress, latest_checkpoint, write_checkpoint


def checkpoint(epoch: int, configuration: str = "c") -> Checkpoint:
    history = [{"epoch": n, "loss": 0.1 + n / 3} for n in range(1, epoch + 1)]
    progress = Progress(configuration, epoch, False, 1, history, [0.5] * epoch)
    return Checkpoint(
        progress,
        {"a": np.arange(6, dtype=np.float32).reshape(2, 3) * epoch, "n": np.array(epoch)},
    )


def test_newest_checkpoint_is_read_back(tmp_path) -> None:
    for epoch in (1, 2, 3):
        write_checkpoint(tmp_path / "new", checkpoint(epoch))
    found = latest_checkpoint(tmp_path / "new", "c")
    assert found is not None
    assert found.progress == checkpoint(3).progress
    for name, array in checkpoint(3).arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "epoch-0002.json",
        "epoch-0002.safetensors",
        "epoch-0003.json",
        "epoch-0003.safetensors",
    ]


def test_no_checkpoint_of_this_configuration(tmp_path) -> None:
    assert latest_checkpoint(tmp_path / "missing", "c") is None
    write_checkpoint(tmp_path, checkpoint(4, configuration="other"))
    assert latest_checkpoint(tmp_path, "c") is None
    write_checkpoint(tmp_path, checkpoint(1))
    found = latest_checkpoint(tmp_path, "c")
    assert found is not None
    assert found.progress.epoch == 1
    assert latest_checkpoint(tmp_path, "other") is None


@pytest.mark.parametrize("name", ["epoch-0002.json", "epoch-0002.safetensors"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "garbage", "remove"])
def test_corrupt_checkpoint_is_skipped(tmp_path, caplog, name, damage) -> None:
    write_checkpoint(tmp_path, checkpoint(1))
    write_checkpoint(tmp_path, checkpoint(2))
    path = tmp_path / name
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(content[:-9])
    elif damage == "flip":
        place = content.find(b'"loss"') + 10 if name.endswith("json") else len(content) - 3
        content[place] ^= 1
        path.write_bytes(content)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "garbage":
        path.write_bytes(b"[1, 2]")
    else:
        path.unlink()
    with caplog.at_level(logging.WARNING):
        found = latest_checkpoint(tmp_path, "c")
    assert found is not None
    assert found.progress.epoch == 1
    if not (damage == "remove" and name.endswith("json")):  # then there is nothing to warn of
        assert "epoch-0002.json is corrupt" in caplog.text


def test_partial_checkpoint_is_ignored(tmp_path) -> None:
    write_checkpoint(tmp_path, checkpoint(1))
    (tmp_path / "epoch-0002.safetensors").write_bytes(b"arrays, but not yet their progress")
    (tmp_path / ".epoch-0002.json.tmp").write_bytes(b"{")
    found = latest_checkpoint(tmp_path, "c")
    assert found is not None
    assert found.progress.epoch == 1
