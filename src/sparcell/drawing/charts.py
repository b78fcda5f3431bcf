"""Charts as SVG inside a page: text and lines take the page's colours, light or dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from markupsafe import Markup, escape

WIDTH, HEIGHT = 420, 260
"""Of a chart, in its own units: text is readable where a phone shows it 340 px wide."""
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 40
MOST_TICKS = 6
MOST_NAMES = 16
FEWEST_TICKS = 3
"""Of a logarithmic axis: with fewer, ticks are at equal steps."""
FACTORS = (1, 2, 5, 10)


class AxisScale(NamedTuple):
    """From values to places along an axis.

    Attributes
    ----------
    low, high : float
        Values at the ends.
    start, stop : float
        Places of the ends.
    logarithmic : bool
    """

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Place of a value."""
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """Round values within the scale, at most about `MOST_TICKS`."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [factor * 10.0**power for power in powers for factor in FACTORS[:3]]
            found = [one for one in values if self.low * 0.999 <= one <= self.high * 1.001]
            if len(found) >= FEWEST_TICKS:
                return found
        low, high = sorted((self.low, self.high))
        rough = (high - low) / MOST_TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in FACTORS if factor * power >= rough * 0.999)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def spanned(values: Iterable[float], logarithmic: bool = False) -> tuple[float, float]:
    """Least and largest of finite values, apart from each other."""
    known = [one for one in values if math.isfinite(one) and (one > 0 or not logarithmic)]
    if not known:
        return (1.0, 10.0) if logarithmic else (0.0, 1.0)
    low, high = min(known), max(known)
    if low == high:
        return (low / 2, high * 2) if logarithmic else (low - 0.5, high + 0.5)
    return low, high


@dataclass
class Chart:
    """A chart with two axes, to which lines, bands and marks are added.

    Parameters
    ----------
    x, y : (float, float)
        Values at the ends of the axes.
    x_label, y_label : str
    logarithmic : bool
        The y axis is.
    height : float
    rows : sequence of str
        Names at 1, 2, ... of the y axis, instead of numbers.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    logarithmic: bool = False
    height: float = HEIGHT
    rows: Sequence[str] = ()
    parts: list[Markup] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.across = AxisScale(*self.x, LEFT, WIDTH - RIGHT)
        self.up = AxisScale(*self.y, self.height - BOTTOM, TOP, self.logarithmic)

    def line(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        colour: str,
        style: str = "",
        title: str = "",
    ) -> None:
        """Add a line; gaps where a value is not finite, or not positive on a logarithmic axis."""
        pieces: list[list[str]] = [[]]
        for x, y in zip(xs, ys, strict=True):
            if not math.isfinite(y) or (self.logarithmic and y <= 0):
                pieces.append([])
            else:
                pieces[-1].append(f"{self.across(x):.1f},{self.up(y):.1f}")
        for piece in pieces:
            if piece:
                self.parts.append(
                    Markup(
                        '<polyline class="{}" style="stroke:{}" points="{}">{}</polyline>'
                    ).format(style, colour, " ".join(piece), tooltip(title))
                )

    def band(
        self, xs: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str
    ) -> None:
        """Add a band between two lines."""
        there = [*zip(xs, high, strict=True), *reversed([*zip(xs, low, strict=True)])]
        points = " ".join(f"{self.across(x):.1f},{self.up(y):.1f}" for x, y in there)
        self.parts.append(
            Markup('<polygon class="band" style="fill:{}" points="{}"/>').format(colour, points)
        )

    def mark(self, x: float, y: float, colour: str, title: str = "") -> None:
        """Add a dot."""
        self.parts.append(
            Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3.5" style="fill:{}">{}</circle>').format(
                self.across(x), self.up(y), colour, tooltip(title)
            )
        )

    def picture(self, address: Markup) -> None:
        """Fill the chart with a picture whose pixels are cells of a table."""
        self.parts.append(
            Markup(
                '<image x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" '
                'preserveAspectRatio="none" style="image-rendering:pixelated" href="{}"/>'
            ).format(LEFT, TOP, WIDTH - LEFT - RIGHT, self.height - TOP - BOTTOM, address)
        )

    def svg(self, about: str) -> Markup:
        """Return the chart; `about` describes it to readers who do not see it."""
        return frame(about, self.height, [*self._axes(), *self.parts])

    def _axes(self) -> list[Markup]:
        bottom, right = self.height - BOTTOM, WIDTH - RIGHT
        parts = []
        line = Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>')
        every = -(-len(self.rows) // MOST_NAMES)
        for number, name in enumerate(self.rows, 1):
            if number % every == 0:
                parts.append(text(LEFT - 6, self.up(number) + 4, name, "end"))
        for tick in () if self.rows else self.up.ticks():
            at = self.up(tick)
            parts += [
                line.format(LEFT, right, at, at),
                text(LEFT - 6, at + 4, f"{tick:.6g}", "end"),
            ]
        parts += [text(self.across(one), bottom + 16, f"{one:.6g}") for one in self.across.ticks()]
        parts.append(
            Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                LEFT, right, bottom, bottom
            )
        )
        parts.append(text((LEFT + right) / 2, self.height - 5, self.x_label))
        middle = (TOP + bottom) / 2
        turned = Markup('<g transform="rotate(-90 12 {:.1f})">{}</g>')
        parts.append(turned.format(middle, text(12, middle + 4, self.y_label)))
        return parts


def frame(about: str, height: float, parts: Iterable[Markup]) -> Markup:
    """Put parts into an SVG of the usual width."""
    return Markup(
        '<svg class="drawn" viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, height, about, Markup("").join(parts))


def text(x: float, y: float, content: str, anchor: str = "middle", style: str = "") -> Markup:
    """Return a line of text."""
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>').format(
        x, y, anchor, style, content
    )


def tooltip(content: str) -> Markup:
    """Return what a browser shows beside the pointer."""
    return Markup("<title>{}</title>").format(content) if content else Markup("")


def legend(entries: Iterable[tuple[str, str]]) -> Markup:
    """Return names with their colours, as HTML that wraps."""
    items = Markup("").join(
        Markup('<span><i style="background:{}"></i>{}</span>').format(colour, escape(name))
        for name, colour in entries
    )
    return Markup('<div class="legend">{}</div>').format(items)
