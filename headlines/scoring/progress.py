"""How far the scoring of a batch is: rows so far, their speed, and how long the rest may take."""

import threading
import time
from collections.abc import Callable


class Progress:
    """Counts rows as they are admitted and scored; may be told by several threads.

    Args:
        clock: seconds, for the speed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._admitted = self._scored = 0
        self._read: float | None = None

    def admitted(self, rows: int, read: float | None) -> None:
        """So many more rows are admitted.

        Args:
            rows: how many.
            read: the share of the batch that is read by now, from 0 to 1; None where its size does
                not tell, as of a compressed file.
        """
        with self._lock:
            self._admitted += rows
            self._read = read

    def scored(self, rows: int) -> str:
        """So many more rows are scored; how far that is, in words."""
        with self._lock:
            self._scored += rows
            seconds = max(self._clock() - self._began, 1e-3)
            told = f"{self._scored:,} so far, {self._scored / seconds:,.0f} a second"
            if not self._read:
                return told
            done = min(1.0, self._read * self._scored / self._admitted)
            left = seconds * (1 - done) / done
            return f"{told}, {done:.0%} of the batch, about {left:.0f} s left"
