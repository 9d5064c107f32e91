"""Draws the gates of a trained model over one headline, as an SVG heat map.

    python docs/gates.py BUNDLE_DIR 标题 [--out docs/lstm-gates.svg]

The words run along x, the units of the forward LSTM along y: those that the last layer counts
most for the headline's label on top. To their right, the prediction after each word. Prints the
means over the units, and these probabilities.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headlines import segment
from headlines.labels import LABELS
from lstm_model.bundle import Bundle, read_bundle
from lstm_model.packed import PackedScorer

Floats = NDArray[np.floating]

LEVELS = 20  # a scale has so many steps of colour, and one more
# From the lower end of a scale over its middle to its upper end, on light and on dark ground.
GATE = {"light": ("#f4f8fc", "#6baed6", "#08306b"), "dark": ("#161b22", "#2f6fb0", "#dcefff")}
SIGNED = {"light": ("#b35806", "#f4f4f4", "#2b4c9b"), "dark": ("#ffa04d", "#20262e", "#79b8ff")}
TEXT = {"light": ("#ffffff", "#1f2328", "#59636e"), "dark": ("#0d1117", "#e6edf3", "#9198a1")}

WIDTH, MARGIN, GAP, TOP = 760, 24, 20, 84  # pixels, as all below
PANEL, ROW = (WIDTH - 2 * MARGIN - 2 * GAP) / 3, 5  # width of a panel, height of a unit
PANELS = {
    "f": "f: how much of the old cell stays",
    "i": "i: how much of the candidate comes in",
    "o": "o: how much of the cell is shown",
    "c": "c: the cell",
    "h": "h: the output",
}


def sigmoid(z: Floats) -> Floats:
    return 1 / (1 + np.exp(-z))


def gates(bundle: Bundle, ids: Sequence[int]) -> dict[str, Floats]:
    """f, i, o, c and h of the forward LSTM after each word: `(words, units)` each."""
    p = {name.removeprefix("forward/"): weight for name, weight in bundle.weights.items()}
    h = c = np.zeros(bundle.preset.units)
    seen: dict[str, list[Floats]] = {name: [] for name in PANELS}
    for x in p["embedding/embeddings"][ids]:  # (embedding_size,)
        f = sigmoid(x @ p["wf"] + h @ p["uf"] + p["bf"])  # (units,), as all below
        i = sigmoid(x @ p["wi"] + h @ p["ui"] + p["bi"])
        o = sigmoid(x @ p["wo"] + h @ p["uo"] + p["bo"])
        g = np.tanh(x @ p["wc"] + h @ p["uc"] + p["bc"])
        c = f * c + i * g
        h = o * np.tanh(c)
        for name, value in (("f", f), ("i", i), ("o", o), ("c", c), ("h", h)):
            seen[name].append(value)
    return {name: np.array(values) for name, values in seen.items()}


def blend(stops: Sequence[str], share: float) -> str:
    """The colour at `share` of the way along `stops`, which are evenly spaced."""
    at = share * (len(stops) - 1)
    left = min(int(at), len(stops) - 2)
    first, second = (
        np.array([int(stop[n : n + 2], 16) for n in (1, 3, 5)]) for stop in stops[left : left + 2]
    )
    return "#" + bytes((first + (second - first) * (at - left)).round().astype(int).tolist()).hex()


def style() -> str:
    """The colours, as classes: `g0` to `g20` of a gate, `s0` to `s20` of a signed number."""

    def colours(ground: str) -> str:
        rules = [
            f".{kind}{level}{{fill:{blend(stops[ground], level / LEVELS)}}}"
            for kind, stops in (("g", GATE), ("s", SIGNED))
            for level in range(LEVELS + 1)
        ]
        paper, ink, pale = TEXT[ground]
        rules += [f".paper{{fill:{paper}}}text{{fill:{ink}}}.pale{{fill:{pale}}}"]
        rules += [f".frame{{fill:none;stroke:{pale}}}"]
        return "".join(rules)

    font = "text{font:12px system-ui,sans-serif}.name{font-weight:600}.small{font-size:11px}"
    dark = f"@media (prefers-color-scheme:dark){{{colours('dark')}}}"
    return f"<style>{font}{colours('light')}{dark}</style>"


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    position = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {position} class="{kind}">{escape(words)}</text>'


def heat_map(values: Floats, low: float) -> Iterable[str]:
    """Cells of size 1 of `values` `(words, units)`, from `low` (0 or -1) to 1; clipped beyond."""
    levels = ((values.clip(low, 1) - low) / (1 - low) * LEVELS).round().astype(int)
    for level in np.unique(levels):
        cells = "".join(f"M{x} {y}h1v1h-1z" for x, y in np.argwhere(levels == level))
        yield f'<path class="{"s" if low else "g"}{level}" d="{cells}"/>'


def bars(shares: Floats, x: float, y: float, height: float) -> Iterable[str]:
    """A bar for each of `shares` `(words,)` in a panel at x and y, and the ends of its axis."""
    column = PANEL / len(shares)
    for t, share in enumerate(shares):
        tall, left = height * share, x + column * (t + 0.15)
        position = f'x="{left:.1f}" y="{y + height - tall:.1f}"'
        yield f'<rect class="g14" {position} width="{column * 0.7:.1f}" height="{tall:.1f}"/>'
    yield text(x + PANEL + 3, y + 10, "1", "small pale")
    yield text(x + PANEL + 3, y + height, "0", "small pale")


def words_below(words: Sequence[str], x: float, y: float, size: float) -> Iterable[str]:
    """The words under a panel, their characters one below the other."""
    column = PANEL / len(words)
    for t, word in enumerate(words):
        middle = f'x="{x + column * (t + 0.5):.1f}"'
        letters = (f'<tspan {middle} dy="{size + 1:.1f}">{escape(one)}</tspan>' for one in word)
        style = f'style="font-size:{size:.1f}px" text-anchor="middle"'
        yield f'<text {middle} y="{y:.1f}" {style}>{"".join(letters)}</text>'


def legend(kind: str, ends: tuple[str, str], name: str, x: float, y: float) -> Iterable[str]:
    """A scale of colours."""
    for level in range(LEVELS + 1):
        position = f'x="{x + 16 + 6 * level:.1f}" y="{y:.1f}"'
        yield f'<rect class="{kind}{level}" {position} width="6" height="12"/>'
    right = x + 16 + 6 * (LEVELS + 1)
    yield text(x + 12, y + 10, ends[0], "small", "end")
    yield text(right + 4, y + 10, ends[1], "small")
    yield text(right + 24, y + 10, name, "small")


def draw(title: str, words: Sequence[str], seen: dict[str, Floats], said: Floats) -> str:
    """The figure; `said` `(words, 3)` are the probabilities after each word."""
    units, label = seen["h"].shape[1], int(said[-1].argmax())
    column = PANEL / len(words)
    size = min(13.0, column - 2)  # of a character
    height = units * ROW  # of a panel
    stride = height + max(map(len, words)) * (size + 1) + 44  # from a row of panels to the next
    total = TOP + 2 * stride + 14
    order = f"on top those that the last layer counts most for {LABELS[label]}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total:.0f}" '
        f'width="{WIDTH}" height="{total:.0f}" role="img">',
        f"<title>The gates of an LSTM over a headline: {escape(title)}</title>",
        style(),
        f'<rect class="paper" width="{WIDTH}" height="{total:.0f}" rx="8"/>',
        text(MARGIN, 28, title, "name"),
        text(MARGIN, 48, f"Each row is one of {units} units: {order}.", "small pale"),
    ]
    panels = {**PANELS, "said": f"probability of {LABELS[label]} so far"}
    for index, (name, heading) in enumerate(panels.items()):
        x, y = MARGIN + index % 3 * (PANEL + GAP), TOP + index // 3 * stride
        parts.append(text(x, y - 8, heading, "small"))
        if name == "said":
            parts += bars(said[:, label], x, y, height)
        else:
            moved = f"translate({x:.1f} {y:.1f}) scale({column:.3f} {ROW})"
            cells = "".join(heat_map(seen[name], -1 if name in "ch" else 0))
            parts.append(f'<g shape-rendering="crispEdges" transform="{moved}">{cells}</g>')
        box = f'width="{PANEL:.1f}" height="{height}"'
        parts.append(f'<rect class="frame" x="{x:.1f}" y="{y:.1f}" {box}/>')
        parts += words_below(words, x, y + height + 4, size)
    reach = f"c runs from {seen['c'].min():.2f} to {seen['c'].max():.2f}, clipped beyond 1"
    parts += legend("g", ("0", "1"), "f, i, o", MARGIN, total - 30)
    parts += legend("s", ("-1", "1"), f"c, h ({reach})", MARGIN + PANEL + GAP, total - 30)
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE_DIR")
    parser.add_argument("title", metavar="标题")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("lstm-gates.svg"))
    options = parser.parse_args()
    bundle = read_bundle(options.bundle)
    # The words that the bundle's text rules leave, each with its id.
    [tokens] = segment([options.title])
    read = [(token, n) for token in tokens for n in bundle.vocabulary.ids([[token]])[0].tolist()]
    read = read[: bundle.preset.padded_length]
    if not read:
        parser.error("the text rules leave no word of this headline")
    words = [word for word, _ in read]
    seen = gates(bundle, [n for _, n in read])
    said = PackedScorer(bundle).predict([words[: n + 1] for n in range(len(words))])
    label = int(said[-1].argmax())

    kernel = bundle.weights["dense/kernel"][: bundle.preset.units]  # (units, classes)
    order = np.argsort(np.delete(kernel, label, axis=1).mean(axis=1) - kernel[:, label])
    seen = {name: values[:, order] for name, values in seen.items()}
    options.out.write_text(draw(options.title, words, seen, said), encoding="utf-8")

    print(f"means over the units, and the probability of {LABELS[label]}")
    print("   f     i     o    |c|   |h|     p")
    for t, word in enumerate(words):
        means = "  ".join(f"{np.abs(values[t]).mean():.2f}" for values in seen.values())
        print(f"{means}  {said[t, label]:.3f}  {word}")


if __name__ == "__main__":
    main()
