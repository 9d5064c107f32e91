"""How far the scoring of a batch is: rows so far, their speed, and how long the rest may take."""

import threading
import time
from collections.abc import Callable

from headlines.scoring.chunks import ChunkRef


class Progress:
    """Counts rows as they are read and scored, by several threads.

    Args:
        clock: seconds, for the speed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._rows_read = self._rows_scored = 0
        self._share_read: float | None = None

    def add_read(self, chunk: ChunkRef) -> None:
        """Count a chunk that was read."""
        with self._lock:
            self._rows_read += chunk.rows
            self._share_read = chunk.read

    def add_scored(self, rows: int) -> str:
        """Count rows that were scored; return the progress in words."""
        with self._lock:
            self._rows_scored += rows
            seconds = max(self._clock() - self._began, 1e-3)
            text = f"{self._rows_scored:,} so far, {self._rows_scored / seconds:,.0f} a second"
            if not self._share_read:
                return text
            done = min(1.0, self._share_read * self._rows_scored / self._rows_read)
            left = seconds * (1 - done) / done
            return f"{text}, {done:.0%} of the batch, about {left:.0f} s left"
