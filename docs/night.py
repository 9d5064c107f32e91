"""Draws what a night does, as an SVG.

    python docs/night.py [--out docs/night.svg]

Above, how a model is made of the corpus; below, how a batch of the inbox is scored with it.
"""

from __future__ import annotations

import argparse
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 760, 268  # pixels, as all below
BOX_WIDTH, BOX_HEIGHT = 126, 48
COLUMNS = (20, 168, 316, 464, 614)
MODEL_ROW, BATCH_ROW, REJECTS_ROW = 58, 152, 212

# Name and second line of each box, by column and row.
BOXES = {
    "corpus": (0, MODEL_ROW, "corpus", "titles and labels"),
    "tokens": (1, MODEL_ROW, "tokens", "jieba's words"),
    "model": (2, MODEL_ROW, "model", "trained LSTM"),
    "evaluation": (3, MODEL_ROW, "evaluation", "report.html"),
    "champion": (4, MODEL_ROW, "champion", "the model that scores"),
    "inbox": (0, BATCH_ROW, "inbox/<batch>", "CSV, JSONL, Parquet"),
    "chunks": (1, BATCH_ROW, "chunks", "resumed after a kill"),
    "score": (2, BATCH_ROW, "score", "words → LSTM → label"),
    "predictions": (4, BATCH_ROW, "predictions/", "one row per headline"),
    "rejects": (4, REJECTS_ROW, "rejects/", "each with a reason"),
}
ARROWS = (
    ("corpus", "tokens"),
    ("tokens", "model"),
    ("model", "evaluation"),
    ("evaluation", "champion"),
    ("inbox", "chunks"),
    ("chunks", "score"),
    ("score", "predictions"),
)
STYLE = """
text { font: 600 13px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }
.small { font-size: 11px; font-weight: 400; fill: #59636e }
.heading { text-anchor: start; font-weight: 400; fill: #59636e }
.paper { fill: #ffffff }
.stored { fill: #ddf4ff; stroke: #54aeff }
.work { fill: #f6f8fa; stroke: #d1d9e0 }
.bad { fill: #fff1e5; stroke: #e38b3c }
.line { fill: none; stroke: #59636e; stroke-width: 1.6 }
.head { fill: #59636e }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.small, .heading { fill: #9198a1 }
.paper { fill: #0d1117 }
.stored { fill: #0c2d4a; stroke: #388bfd }
.work { fill: #151b23; stroke: #3d444d }
.bad { fill: #3d2410; stroke: #db8a3e }
.line { stroke: #9198a1 }
.head { fill: #9198a1 }
}
"""


def box(name: str) -> str:
    """A rounded box with its two lines of text."""
    column, top, title, line = BOXES[name]
    kind = {"rejects": "bad", "chunks": "work", "score": "work", "evaluation": "work"}
    left = COLUMNS[column]
    middle = left + BOX_WIDTH / 2
    return (
        f'<rect class="{kind.get(name, "stored")}" x="{left}" y="{top}" '
        f'width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
        f'<text x="{middle}" y="{top + 20}">{escape(title)}</text>'
        f'<text class="small" x="{middle}" y="{top + 37}">{escape(line)}</text>'
    )


def arrow(start: str, end: str) -> str:
    """A straight arrow between two boxes of a row."""
    left, right = COLUMNS[BOXES[start][0]] + BOX_WIDTH + 4, COLUMNS[BOXES[end][0]] - 4
    y = BOXES[start][1] + BOX_HEIGHT / 2
    return path(f"M{left} {y}H{right}")


def path(d: str) -> str:
    return f'<path class="line" marker-end="url(#to)" d="{d}"/>'


def draw() -> str:
    """The figure."""
    score_right = COLUMNS[2] + BOX_WIDTH + 4
    champion_x, score_x = COLUMNS[4] + BOX_WIDTH / 2, COLUMNS[2] + BOX_WIDTH / 2
    batch_y, turn_y = BATCH_ROW + BOX_HEIGHT / 2, (MODEL_ROW + BOX_HEIGHT + BATCH_ROW) / 2
    fork = COLUMNS[4] - 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img">',
        "<title>What a night does</title>",
        "<desc>Corpus, tokens, model, evaluation, champion: made once, and reused while nothing "
        "changes. Each file of the inbox is cut into chunks and scored with the champion into "
        "predictions; rows that cannot be scored go to rejects, each with a reason.</desc>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto" markerUnits="userSpaceOnUse">'
        '<path class="head" d="M0 0L8 4L0 8z"/></marker></defs>',
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
        f'<text class="heading" x="{COLUMNS[0]}" y="36">'
        "the model: made once, and again when something changes</text>",
        f'<text class="heading" x="{COLUMNS[0]}" y="{BATCH_ROW + BOX_HEIGHT + 30}">'
        "each batch: exactly once, every night</text>",
        *(box(name) for name in BOXES),
        *(arrow(start, end) for start, end in ARROWS),
        path(f"M{champion_x} {MODEL_ROW + BOX_HEIGHT + 4}V{turn_y}H{score_x}V{BATCH_ROW - 4}"),
        path(f"M{score_right} {batch_y}H{fork}V{REJECTS_ROW + BOX_HEIGHT / 2}H{COLUMNS[4] - 4}"),
    ]
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("night.svg"))
    parser.parse_args().out.write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
