"""Checkpoints of a training, written after every epoch.

A checkpoint of epoch 7 is `epoch-0007.safetensors` (the arrays) and `epoch-0007.json` (the
progress, and the digests of both). The second is written last and by one rename, so a checkpoint
is there as a whole or not at all. The two newest are kept: if the last is corrupt, training resumes
from the one before. One training at a time may use a directory.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.numpy
from numpy.typing import NDArray

log = logging.getLogger(__name__)

FILE_FORMAT = "lstm_model.checkpoint/2"
KEEP = 2  # checkpoints


@dataclass(frozen=True)
class Progress:
    """The state of a training.

    Attributes:
        configuration: digest of everything that decides the result.
        epoch: the last one finished, counted from 1.
        finished: whether it was the last.
        best_epoch: the epoch whose weights are kept so far.
        history: the figures of each epoch, as in `Bundle.history`.
        seconds: wall-clock time of each epoch.
    """

    configuration: str
    epoch: int
    finished: bool
    best_epoch: int
    history: list[dict[str, float]]
    seconds: list[float]


@dataclass(frozen=True)
class Checkpoint:
    """Progress, and the arrays needed to resume from it, by name."""

    progress: Progress
    arrays: dict[str, NDArray[Any]]


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` durably, and delete all but the newest two."""
    directory.mkdir(parents=True, exist_ok=True)
    progress = dataclasses.asdict(checkpoint.progress)
    arrays = safetensors.numpy.save(checkpoint.arrays)
    state = {
        "format": FILE_FORMAT,
        "arrays_sha256": hashlib.sha256(arrays).hexdigest(),
        "progress_sha256": _digest(progress),
        "progress": progress,
    }
    stem = f"epoch-{checkpoint.progress.epoch:04d}"
    _replace(directory / f"{stem}.safetensors", arrays)
    _replace(directory / f"{stem}.json", json.dumps(state).encode())
    _delete_all_but(directory, checkpoint.progress.epoch)


def latest_checkpoint(directory: Path, configuration: str) -> Checkpoint | None:
    """The newest valid checkpoint of this configuration, or None.

    A corrupt one is skipped with a warning; one of another configuration, silently: the training
    that starts over replaces it.
    """
    for path in sorted(directory.glob("epoch-*.json"), reverse=True):
        try:
            checkpoint = _read(path)
        except (OSError, ValueError, TypeError, KeyError, safetensors.SafetensorError) as error:
            log.warning("checkpoint %s is corrupt; skipped: %s", path, error)
            continue
        if checkpoint.progress.configuration == configuration:
            return checkpoint
    return None


def _read(path: Path) -> Checkpoint:
    state = json.loads(path.read_text(encoding="utf-8"))
    if state["format"] != FILE_FORMAT:
        raise ValueError(f"its format is {state['format']!r}, not {FILE_FORMAT!r}")
    if _digest(state["progress"]) != state["progress_sha256"]:
        raise ValueError("the digest of its progress does not match")
    arrays = path.with_suffix(".safetensors").read_bytes()
    if hashlib.sha256(arrays).hexdigest() != state["arrays_sha256"]:
        raise ValueError("the digest of its arrays does not match")
    return Checkpoint(Progress(**state["progress"]), safetensors.numpy.load(arrays))


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically and durably."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # makes the rename itself durable
    finally:
        os.close(directory)


def _delete_all_but(directory: Path, newest: int) -> None:
    """Delete every checkpoint but those of `newest` and the epochs just before it."""
    kept = {f"epoch-{epoch:04d}" for epoch in range(newest - KEEP + 1, newest + 1)}
    # The .json first: without it the arrays are no checkpoint.
    for path in [*directory.glob("epoch-*.json"), *directory.glob("epoch-*.safetensors")]:
        if path.stem not in kept:
            path.unlink()
