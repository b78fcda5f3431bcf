"""Pixel sizes in um from the units that files use."""

from __future__ import annotations

import math
import warnings

from sparcell.core.errors import SparcellWarning

UM_PER = {
    "m": 1e6, "meter": 1e6, "metre": 1e6,
    "cm": 1e4, "centimeter": 1e4, "centimetre": 1e4,
    "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3,
    "um": 1.0, "\N{MICRO SIGN}m": 1.0, "\N{GREEK SMALL LETTER MU}m": 1.0, "micron": 1.0,
    "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0,
    "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3,
    "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}": 1e-4, "angstrom": 1e-4,
    "pm": 1e-6, "picometer": 1e-6, "picometre": 1e-6,
    "in": 25400.0, "inch": 25400.0,
}  # fmt: skip
ANISOTROPY = 0.01


def to_um(length: float | None, unit: str) -> float | None:
    """Convert a length to um.

    Parameters
    ----------
    length : float or None
        In `unit`.
    unit : str
        A symbol or a name, such as ``nm`` or ``millimeter``.

    Returns
    -------
    float or None
        None where there is no length, the unit is unknown (``pixel``), or the length is not a
        positive number.
    """
    # ImageJ writes the micro sign as an escape sequence.
    unit = unit.strip().replace("\\u00B5", "\N{MICRO SIGN}")
    # Symbols keep their case (Mm is no mm); names do not.
    factor = UM_PER.get(unit if len(unit) < 3 else unit.lower())
    if length is None or factor is None or not math.isfinite(length) or length <= 0:
        return None
    return length * factor


def one_pixel_size(y: float | None, x: float | None, source: str) -> float | None:
    """Reduce the pixel's height and width in um to one size.

    Warns
    -----
    SparcellWarning
        If they differ by more than 1 %; the height is used.
    """
    if y is None or x is None:
        return y if x is None else x
    if abs(y - x) > ANISOTROPY * max(y, x):
        warnings.warn(
            f"{source} has pixels of {y:g} um in Y and {x:g} um in X; {y:g} um is used for both: "
            "resample the image to square pixels where lengths matter",
            SparcellWarning,
            stacklevel=2,
        )
    return y
