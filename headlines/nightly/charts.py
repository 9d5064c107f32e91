"""Charts of nights: trends of shares, and drift."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headlines.reports.drawing import BLUE, FAINT, GREY, ORANGE, RED, chart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLES = ((BLUE, "^"), (GREY, "o"), (ORANGE, "v"))  # of a line


def trend_chart(
    what: str,
    nights: Sequence[str],
    shares: Sequence[Mapping[str, float]],
    reference: Mapping[str, float],
) -> str:
    """Up to three shares night by night, with those of the reference as dashed lines.

    Args:
        what: title of the shares, in a few words.
        nights: their names, the oldest first; at least one.
        shares: of each night, by name.
        reference: by name; empty where there is none.
    """
    positions = range(len(nights))

    def draw(drawing: "Figure") -> None:
        axes = drawing.add_subplot()
        for name, (colour, marker) in zip(shares[-1], _STYLES, strict=False):
            values = [night[name] for night in shares]
            axes.plot(positions, values, color=colour, marker=marker, markersize=5, label=name)
            if name in reference:
                axes.axhline(reference[name], color=colour, linestyle="--", linewidth=1)
        axes.set(ylim=(0, 1), xlim=(-0.5, max(len(nights) - 0.5, 1)))
        step = max(1, -(-len(nights) // 4))  # four names fit
        named = list(positions)[::-1][::step][::-1]  # the last night is always named
        axes.set_xticks(named, [nights[position] for position in named])
        axes.grid(axis="y", alpha=FAINT)
        axes.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))

    last = ", ".join(f"{name} {share:.0%}" for name, share in shares[-1].items())
    expected = ", ".join(f"{name} {share:.0%}" for name, share in reference.items())
    words = f"{what} over {len(nights)} nights; the last one: {last}"
    return chart(f"{words}; the reference: {expected}." if expected else f"{words}.", 2.9, draw)


def drift_chart(findings: Sequence[tuple[str, float, float, float | None]]) -> str:
    """Population stability indices as bars, with marks where each warns and where it stops.

    Args:
        findings: name, index, and the indices from which it warns and stops.
    """
    names = [f"{name}  {index:.3f}" for name, index, _, _ in findings]
    indices = [index for _, index, _, _ in findings]
    warns = [warn for _, _, warn, _ in findings]
    stops = [stop for _, _, _, stop in findings]
    positions = range(len(findings))

    def draw(drawing: "Figure") -> None:
        axes = drawing.add_subplot()
        axes.barh(names, indices, color=BLUE, height=0.5)
        for name, colour, bounds in (("warns", ORANGE, warns), ("stops", RED, stops)):
            if any(bound is not None for bound in bounds):
                at = [float("nan") if bound is None else bound for bound in bounds]
                axes.plot(
                    at, positions, color=colour, linestyle="", marker="|", markersize=24,
                    markeredgewidth=2, label=name,
                )  # fmt: skip
        most = max(*indices, *warns, *(stop for stop in stops if stop is not None))
        axes.set(xlabel="population stability index", xlim=(0, 1.1 * most))
        axes.set_ylim(len(findings) - 0.3, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.legend(
            frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1), markerscale=0.4
        )

    described = ", ".join(f"{name} {index:.3f}" for name, index, _, _ in findings)
    return chart(f"Population stability index: {described}.", 1.0 + 0.4 * len(findings), draw)
