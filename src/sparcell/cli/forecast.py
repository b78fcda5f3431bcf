"""The table that `sparcell predict --dry-run` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparcell.cli.parameters import echo
from sparcell.core.text import counted

if TYPE_CHECKING:
    from sparcell.prediction.planning.dry_run import ImageEstimate, PredictionEstimate

HEADINGS = ("image", "planes", "size", "axes", "channels", "resized", "results", "time")
MOST_ROWS = 40
MIB = 1 << 20


def show_forecast(foreseen: PredictionEstimate) -> None:
    """Print what a prediction would do, and what would stop it; nothing is written."""
    rows = [_row(one) for one in foreseen.images[:MOST_ROWS] if not one.problem]
    if rows:
        widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
        for row in (HEADINGS, *rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            echo("  ".join(cells).rstrip())
    if len(foreseen.images) > MOST_ROWS:
        echo(f"and {counted(len(foreseen.images) - MOST_ROWS, 'more image')}")
    if foreseen.finished:
        echo(f"finished already: {counted(foreseen.finished, 'image')}")
    possible = sum(not one.problem for one in foreseen.images)
    planes = sum(one.planes for one in foreseen.images)
    echo(
        f"{counted(possible, 'image')}, {counted(planes, 'plane')} on {foreseen.runtime}: about "
        f"{_time(foreseen.seconds)}, {foreseen.memory / MIB:.0f} MiB of memory, "
        f"{foreseen.disk / MIB:.0f} MiB on disk"
    )
    for (height, width), seconds in foreseen.timed.items():
        echo(f"timed: {seconds:.3f} s per window of {height} x {width} px")
    if any(one.by_found for one in foreseen.images):
        echo(
            "Images whose objects turn out to be small are enlarged, and take longer: three times "
            "as long at half the diameter. --diameter none leaves them as they are."
        )
    for problem in foreseen.problems:
        echo(f"problem: {problem}")


def _row(one: ImageEstimate) -> tuple[str, ...]:
    image = one.image
    if image is None:
        return (one.name, *[""] * (len(HEADINGS) - 1))
    resized = "by estimate" if one.scale is None else f"{one.scale.factor:.3g}"
    return (
        one.name,
        str(one.planes),
        f"{image.shape[0]} x {image.shape[1]}",
        image.axes,
        ", ".join(image.channels),
        "if small" if one.by_found else "no" if resized == "1" else resized,
        str(one.result),
        _time(one.seconds),
    )


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
