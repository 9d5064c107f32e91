"""Draws a chart as SVG to stand in a page: text is text, and the same data give the same bytes.

Axes and text take the page's own colour. The other hues read on light and on dark ground, and
differ for those who do not tell red from green. Matplotlib is imported when a chart is drawn.
"""

import html
import io
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"  # stands for the page's own colour until the SVG is there
BLUE, GREY, ORANGE, RED = "#3b82c4", "#8a8f98", "#dd6b20", "#c53030"
FAINT = 0.15  # opacity of what only guides the eye
_WIDTH = 5.0  # inches of 72 units: as wide as the narrowest page, so that text stays readable
_drawing = threading.Lock()  # Matplotlib's settings are those of the whole process


def chart(words: str, height: float, draw: Callable[["Figure"], None]) -> str:
    """A chart as an `svg` element.

    Args:
        words: what it shows, for those who do not see it.
        height: in inches, of a width of 5.
        draw: draws it; whatever it writes is text, no formula.
    """
    import matplotlib
    from matplotlib.figure import Figure

    look: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": words,  # ids of two charts of one page never meet
        "font.size": 10,
        "text.parse_math": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "lines.linewidth": 1.6,
        **{f"{part}.color": INK for part in ("text", "xtick", "ytick", "grid")},
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.axisbelow": True,
    }
    text = io.StringIO()
    with _drawing, matplotlib.rc_context(look):
        drawing = Figure(figsize=(_WIDTH, height), layout="constrained")
        draw(drawing)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        drawing.savefig(text, format="svg", transparent=True, metadata=nothing)
    return _inline(text.getvalue(), words)


def _inline(svg: str, words: str) -> str:
    """An SVG file as an element of a page: its own head and its fonts are taken off."""
    body = svg[svg.index("<svg") : svg.rindex("</svg>")]
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = _without_idle_ids(body)
    body = re.sub(r"\s*\n\s*", " ", body).replace("xlink:href", "href")
    body = body.replace(INK, "currentColor")
    [box] = re.findall(r'viewBox="([^"]*)"', body)
    content = body[body.index(">") + 1 :]
    label = html.escape(words)
    return f'<svg class="chart" viewBox="{box}" role="img" aria-label="{label}">{content}</svg>'


def _without_idle_ids(svg: str) -> str:
    """Without the ids that nothing refers to: they are the same in every chart of a page."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    return re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg)
