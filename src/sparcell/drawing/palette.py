"""Colours of pictures and pages, distinct for colour-blind people and in grey print.

They are from the palette of Okabe and Ito (2008, "Color Universal Design"). Their relative
luminances are far apart: blue 0.40, vermilion 0.21, yellow 0.75.
"""

from __future__ import annotations

from typing import NamedTuple


class RGB(NamedTuple):
    """An sRGB colour, each channel 0 to 255."""

    red: int
    green: int
    blue: int

    @property
    def css(self) -> str:
        """The colour as style sheets write it."""
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


MATCHED = RGB(86, 180, 233)
"""Objects that prediction and labels have in common, and predictions without labels."""
EXTRA = RGB(213, 94, 0)
"""Objects that are in the prediction only."""
MISSED = RGB(240, 228, 66)
"""Objects that are in the labels only."""

SERIES = (
    RGB(0, 114, 178), RGB(213, 94, 0), RGB(0, 158, 115), RGB(204, 121, 167), RGB(230, 159, 0),
    RGB(86, 180, 233),
)  # fmt: skip
"""Lines of a chart, and families of cells: those that show on black and on white."""
