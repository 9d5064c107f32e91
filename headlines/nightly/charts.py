"""Charts of the nights: trends and drift."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headlines.reports.drawing import BLUE, GREY, GRID_ALPHA, ORANGE, RED, svg_chart
from headlines.reports.messages import ENGLISH, Messages

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINE_STYLES = ((BLUE, "^"), (GREY, "o"), (ORANGE, "v"))


def trend_chart(
    subject: str,
    nights: Sequence[str],
    shares: Sequence[Mapping[str, float]],
    reference: Mapping[str, float],
    _: Messages = ENGLISH,
) -> str:
    """Up to three shares night by night; dashed lines show the reference.

    Args:
        subject: what the shares are, in a few words.
        nights: names of the nights, the oldest first; at least one.
        shares: of each night, by name.
        reference: shares by name; empty without a reference.
        _: the language, as below; the names are English and can be looked up.
    """
    positions = range(len(nights))

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        for name, (colour, marker) in zip(shares[-1], _LINE_STYLES, strict=False):
            values = [night[name] for night in shares]
            axes.plot(positions, values, color=colour, marker=marker, markersize=5, label=name)
            if name in reference:
                axes.axhline(reference[name], color=colour, linestyle="--", linewidth=1)
        axes.set(ylim=(0, 1), xlim=(-0.5, max(len(nights) - 0.5, 1)))
        step = max(1, -(-len(nights) // 4))  # there is room for four names
        ticks = list(positions)[::-1][::step][::-1]  # the last night is always named
        axes.set_xticks(ticks, [nights[position] for position in ticks])
        axes.grid(axis="y", alpha=GRID_ALPHA)
        axes.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))

    last, dev = (
        _(", ").join(f"{_.word(name)} {share:.0%}" for name, share in values.items())
        for values in (shares[-1], reference)
    )
    description = _(
        "%(subject)s over %(nights)s nights; the last one: %(last)s",
        subject=_.word(subject),
        nights=len(nights),
        last=last,
    )
    if dev:
        description += _("; reference: %(reference)s", reference=dev)
    return svg_chart(description + _("."), 2.9, draw, _.word)


def drift_chart(
    findings: Sequence[tuple[str, float, float, float | None]], _: Messages = ENGLISH
) -> str:
    """Population stability indices as bars, with marks where each warns and stops.

    Args:
        findings: name, index, warning threshold and stop threshold of each.
    """
    names = [f"{name}  {index:.3f}" for name, index, *_bounds in findings]
    _names, indices, warns, stops = zip(*findings, strict=True)
    positions = range(len(findings))

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        axes.barh(names, indices, color=BLUE, height=0.5)
        for name, colour, bounds in (("warns", ORANGE, warns), ("stops", RED, stops)):
            if any(bound is not None for bound in bounds):
                at = [float("nan") if bound is None else bound for bound in bounds]
                axes.plot(
                    at, positions, color=colour, linestyle="", marker="|", markersize=24,
                    markeredgewidth=2, label=name,
                )  # fmt: skip
        largest = max(*indices, *warns, *(stop for stop in stops if stop is not None))
        axes.set(xlabel="population stability index", xlim=(0, 1.1 * largest))
        axes.set_ylim(len(findings) - 0.3, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.legend(
            frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1), markerscale=0.4
        )

    def word(text: str) -> str:
        name, *index = text.split("  ")
        return "  ".join((_.word(name), *index))

    values = _(", ").join(f"{_.word(name)} {index:.3f}" for name, index, *_bounds in findings)
    description = _("Population stability index: %(values)s.", values=values)
    return svg_chart(description, 1.0 + 0.4 * len(findings), draw, word)
