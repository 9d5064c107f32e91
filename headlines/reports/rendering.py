"""Renders templates into self-contained pages, and formats numbers."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any

from headlines.labels import LABELS, LABELS_ZH
from headlines.reports.messages import ENGLISH, Messages

if TYPE_CHECKING:
    import jinja2

_MISSING = "–"


def render_page(
    template: str, _: Messages, *, kind: str, title: str, verdict: str, **values: Any
) -> str:
    """Render a template of `headlines/reports/templates`.

    All values are escaped. The page's content policy lets it load nothing and run no script but the
    one that sorts its tables.

    Args:
        template: name of the file.
        _: the language of its texts.
        kind: kind of the report.
        title: subject of the report.
        verdict: the result in one sentence.
        values: other variables of the template.
    """
    from markupsafe import Markup

    style, script = _text("report.css"), _text("tables.js")
    return (
        _environment(_)
        .get_template(template)
        .render(
            policy=_policy(script),
            style=Markup(style),
            script=Markup(script),
            language=_.language,
            labels=LABELS,
            chinese=dict(zip(LABELS, LABELS_ZH, strict=True)),
            kind=kind,
            title=title,
            verdict=verdict,
            **values,
        )
    )


def score(value: float | None) -> str:
    """A value near 0 to 1 with three decimals."""
    return _MISSING if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """A difference with its sign and three decimals."""
    if value is None:
        return _MISSING
    return f"{round(value, 3) + 0:+.3f}".replace("-", "\N{MINUS SIGN}")  # + 0 makes −0 a 0


def interval(bounds: Sequence[float | None] | None, digits: int = 3, _: Messages = ENGLISH) -> str:
    """An interval as `0.642–0.705`, or as `−0.031 to +0.004` if it starts below 0."""
    if bounds is None or bounds[0] is None or bounds[1] is None:
        return _MISSING
    low, high = bounds[0], bounds[1]
    if low < 0:
        start, end = (f"{x:+.{digits}f}".replace("-", "\N{MINUS SIGN}") for x in (low, high))
        return _("%(start)s to %(end)s", start=start, end=end)
    return f"{low:.{digits}f}–{high:.{digits}f}"


def percent(value: float | None) -> str:
    """A share in percent."""
    return _MISSING if value is None else f"{100 * value:.1f} %"


def count(value: int | None) -> str:
    """An integer with thousands separators."""
    return _MISSING if value is None else f"{value:,}"


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        f"script-src 'sha256-{digest}'"
    )


@cache
def _text(name: str) -> str:
    return resources.files("headlines.reports").joinpath("templates", name).read_text("utf-8")


@cache
def _environment(_: Messages) -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("headlines.reports"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # the extension has it
        _.word, None, newstyle=True
    )
    for filter_ in (score, signed, percent, count):
        environment.filters[filter_.__name__] = filter_
    environment.filters |= {"interval": partial(interval, _=_), "word": _.word}
    return environment
