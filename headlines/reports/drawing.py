"""Draws charts as inline SVG: text stays text, and the same data give the same bytes.

Axes and text use the page's text colour. The other colours are legible on light and dark
backgrounds and for people with colour blindness. Matplotlib is imported when a chart is drawn.
"""

import html
import io
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOREGROUND = "#010203"  # replaced by the page's text colour in the SVG
BLUE, GREY, ORANGE, RED = "#3b82c4", "#8a8f98", "#dd6b20", "#c53030"
GRID_ALPHA = 0.15
_WIDTH = 5.0  # inches of 72 units: as wide as the narrowest page, so that text stays readable
_lock = threading.Lock()  # Matplotlib's settings are global


def svg_chart(
    description: str,
    height: float,
    draw: Callable[["Figure"], None],
    word: Callable[[str], str],
) -> str:
    """A chart as an `svg` element.

    Args:
        description: what it shows, for screen readers.
        height: in inches; the width is 5.
        draw: draws on the figure, in English; its text is not parsed as formulas.
        word: gives what is shown instead of an English text. It is replaced in the SVG: Matplotlib
            has no font to measure Chinese with, which is shorter.
    """
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": description,  # unique ids within a page
        "font.size": 10,
        "text.parse_math": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "lines.linewidth": 1.6,
        **{f"{part}.color": FOREGROUND for part in ("text", "xtick", "ytick", "grid")},
        "axes.edgecolor": FOREGROUND,
        "axes.labelcolor": FOREGROUND,
        "axes.axisbelow": True,
    }
    text = io.StringIO()
    with _lock, matplotlib.rc_context(settings):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        draw(figure)
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=no_metadata)
    return _inline(_with_words(text.getvalue(), word), description)


def _with_words(svg: str, word: Callable[[str], str]) -> str:
    """An SVG file whose texts are those that `word` gives for them."""
    return re.sub(
        r">([^<]*)</text>",
        lambda match: f">{html.escape(word(html.unescape(match[1])), quote=False)}</text>",
        svg,
    )


def _inline(svg: str, description: str) -> str:
    """An SVG file as an element of a page, without its header and fonts."""
    body = svg[svg.index("<svg") : svg.rindex("</svg>")]
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = _remove_unused_ids(body)
    body = re.sub(r"\s*\n\s*", " ", body).replace("xlink:href", "href")
    body = body.replace(FOREGROUND, "currentColor")
    [box] = re.findall(r'viewBox="([^"]*)"', body)
    content = body[body.index(">") + 1 :]
    label = html.escape(description)
    return f'<svg class="chart" viewBox="{box}" role="img" aria-label="{label}">{content}</svg>'


def _remove_unused_ids(svg: str) -> str:
    """Remove ids without references: they are the same in every chart of a page."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    return re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", svg)
