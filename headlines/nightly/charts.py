"""Charts of the nights: the course of shares, and drift."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headlines.reports.drawing import BLUE, FAINT, GREY, ORANGE, RED, chart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOOKS = ((BLUE, "^"), (GREY, "o"), (ORANGE, "v"))  # of a line


def trend_chart(
    what: str,
    nights: Sequence[str],
    shares: Sequence[Mapping[str, float]],
    reference: Mapping[str, float],
) -> str:
    """The course of up to three shares night by night, beside those of the reference (dashed).

    Args:
        what: the shares are, in a few words.
        nights: their names, the oldest first; one at least.
        shares: of each night, by name.
        reference: by name; empty where there is none.
    """
    places = range(len(nights))

    def draw(drawing: "Figure") -> None:
        axes = drawing.add_subplot()
        for name, (colour, marker) in zip(shares[-1], _LOOKS, strict=False):
            course = [night[name] for night in shares]
            axes.plot(places, course, color=colour, marker=marker, markersize=5, label=name)
            if name in reference:
                axes.axhline(reference[name], color=colour, linestyle="--", linewidth=1)
        axes.set(ylim=(0, 1), xlim=(-0.5, max(len(nights) - 0.5, 1)))
        every = max(1, -(-len(nights) // 4))  # four names fit beside each other
        named = list(places)[::-1][::every][::-1]  # the last night is always named
        axes.set_xticks(named, [nights[place] for place in named])
        axes.grid(axis="y", alpha=FAINT)
        axes.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))

    told = ", ".join(f"{name} {share:.0%}" for name, share in shares[-1].items())
    beside = ", ".join(f"{name} {share:.0%}" for name, share in reference.items())
    words = f"{what} over {len(nights)} nights; the last one: {told}"
    return chart(f"{words}; the reference: {beside}." if beside else f"{words}.", 2.9, draw)


def drift_chart(findings: Sequence[tuple[str, float, float, float | None]]) -> str:
    """Population stability indices as bars, with a mark where each warns and where it stops.

    Args:
        findings: of each its name, its index, from which index it warns and from which it stops.
    """
    names = [f"{name}  {index:.3f}" for name, index, _, _ in findings]
    indices = [index for _, index, _, _ in findings]
    warns = [warn for _, _, warn, _ in findings]
    stops = [stop for _, _, _, stop in findings]
    places = range(len(findings))

    def draw(drawing: "Figure") -> None:
        axes = drawing.add_subplot()
        axes.barh(names, indices, color=BLUE, height=0.5)
        for name, colour, bounds in (("warns", ORANGE, warns), ("stops", RED, stops)):
            if any(bound is not None for bound in bounds):
                at = [float("nan") if bound is None else bound for bound in bounds]
                axes.plot(
                    at, places, color=colour, linestyle="", marker="|", markersize=24,
                    markeredgewidth=2, label=name,
                )  # fmt: skip
        most = max(*indices, *warns, *(stop for stop in stops if stop is not None))
        axes.set(xlabel="population stability index", xlim=(0, 1.1 * most))
        axes.set_ylim(len(findings) - 0.3, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.legend(
            frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1), markerscale=0.4
        )

    told = ", ".join(f"{name} {index:.3f}" for name, index, _, _ in findings)
    return chart(f"Population stability index: {told}.", 1.0 + 0.4 * len(findings), draw)
