"""Draws the output of `make run` as a terminal, in which the lines appear as they were printed.

    make run 2>&1 | tee run.log
    python docs/terminal.py run.log [--out docs/make-run.svg]

The times of the log are shortened to a few seconds. Lines that only say that a task ended, and what
TensorFlow prints, are left out; long lines are cut.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

COLUMNS, LINE, MARGIN, BAR = 100, 17, 16, 28  # characters; pixels, as all below
WIDTH = 800
SECONDS = 12.0  # from the first line to the last
PATHS = re.compile(r" \(/[^)]*\)")  # of the machine
LOGGED = re.compile(r"(\d\d:\d\d:\d\d\.\d{3}) \| (?:INFO|WARNING) +\| Task run '([^']+)' - (.*)")
STYLE = """
text { font: 12.5px ui-monospace, Menlo, Consolas, monospace; fill: #e6edf3; white-space: pre }
.task { fill: #79c0ff }
.prompt { fill: #7ee787 }
.paper { fill: #0d1117; stroke: #3d444d }
.button { fill: #3d444d }
g { opacity: 0; animation: show 0.01s forwards }
@keyframes show { to { opacity: 1 } }
@media (prefers-reduced-motion: reduce) { g { opacity: 1; animation: none } }
"""


@dataclass(frozen=True)
class Line:
    """A line of the terminal.

    Attributes:
        at: when it was printed, seconds after the first.
        task: the task that logged it; empty for a line of the result.
        text: the rest of it.
    """

    at: float
    task: str
    text: str


def lines_of(log: Iterable[str]) -> Iterator[Line]:
    """The lines that are shown: what the tasks log, and the result after the last of them."""
    start: datetime | None = None
    at, result = 0.0, False
    for line in log:
        if match := LOGGED.match(line):
            time, task, text = match.groups()
            moment = datetime.strptime(time, "%H:%M:%S.%f")
            start = start or moment
            at = (moment - start).seconds
            if not text.startswith("Finished in state"):
                yield Line(at, task, PATHS.sub("", text))
        elif start and not line.strip():
            result = True
        elif result:
            yield Line(at, "", line.rstrip())


def draw(lines: list[Line]) -> str:
    """The figure."""
    height = BAR + (len(lines) + 2) * LINE + MARGIN
    scale = SECONDS / max(lines[-1].at, 1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">',
        "<title>The output of make run</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        *(f'<circle class="button" cx="{MARGIN + 16 * n}" cy="15" r="5"/>' for n in range(3)),
        f'<text x="{MARGIN}" y="{BAR + LINE}"><tspan class="prompt">$</tspan> make run</text>',
    ]
    for number, line in enumerate(lines):
        y = BAR + (number + 2) * LINE
        task = f'<tspan class="task">{escape(line.task)}</tspan>  ' if line.task else ""
        room = COLUMNS - len(line.task) - 2
        text = line.text if len(line.text) <= room else f"{line.text[: room - 1]}…"
        delay = f"animation-delay:{line.at * scale + 0.5:.2f}s"
        parts.append(
            f'<g style="{delay}"><text x="{MARGIN}" y="{y}">{task}{escape(text)}</text></g>'
        )
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", type=Path, help="what `make run` printed, logs included")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("make-run.svg"))
    options = parser.parse_args()
    lines = list(lines_of(options.log.read_text("utf-8").splitlines()))
    if not lines:
        parser.error(f"{options.log} has no log of a run")
    options.out.write_text(draw(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
