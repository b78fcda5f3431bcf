"""Pixel sizes in um from the units that files use."""

from __future__ import annotations

import math
import unicodedata
import warnings
from collections.abc import Iterable

from sparcell.core.errors import SparcellWarning

PREFIXES = {"": 1e6, "centi": 1e4, "milli": 1e3, "micro": 1.0, "nano": 1e-3, "pico": 1e-6}
SYMBOLS = {"m": 1e6, "cm": 1e4, "mm": 1e3, "um": 1.0, "nm": 1e-3, "pm": 1e-6, "in": 25400.0}
NAMES = {
    "micron": 1.0, "angstrom": 1e-4, "inch": 25400.0, "inche": 25400.0,
    "thou": 25.4, "mikrometer": 1.0, "mikron": 1.0,
    **{prefix + metre: um for prefix, um in PREFIXES.items() for metre in ("meter", "metre")},
}  # fmt: skip
# Metadata are filled with print resolutions (72 dpi is 353 um, 1200 dpi 21 um) by whoever did not
# know better. No microscope's pixel is larger, and at less than 1 nm no image has room for a cell:
# um that are taken for nm are.
LARGEST_UM = 20.0
SMALLEST_UM = 1e-3
PRINT_UNITS = ("in", "inch", "inches", "cm")
ANISOTROPY = 0.01


def to_um(length: float | None, unit: str) -> float | None:
    """Convert a length to um.

    Parameters
    ----------
    length : float or None
        In `unit`.
    unit : str
        A symbol or a name in the singular or plural, such as ``nm`` or ``millimeters``.

    Returns
    -------
    float or None
        None where there is no length, the unit is unknown (``pixel``), or the length is not a
        positive number.
    """
    factor = _um_per(unit)
    if length is None or factor is None or not math.isfinite(length) or length <= 0:
        return None
    return length * factor


def _um_per(unit: str) -> float | None:
    # ImageJ writes the micro sign as an escape sequence, and programs that take UTF-8 for latin-1
    # or ASCII leave other signs in its place.
    unit = unit.strip().rstrip(".").replace("\\u00B5", "u").replace("\\u00b5", "u")
    unit = unit.replace("\u00c2\u00b5", "u").replace("\u00ce\u00bc", "u").replace("\ufffd", "u")
    unit = unit.replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    if unit in ("\u00c5", "\u212b"):
        return NAMES["angstrom"]
    # Symbols keep their case (Mm is no mm); names do not, nor do they keep accents.
    if len(unit) < 3:
        return 1.0 if unit in ("u", "UM", "Um", "uM") else SYMBOLS.get(unit)
    plain = unicodedata.normalize("NFD", unit.lower())
    name = "".join(c for c in plain if not unicodedata.combining(c) and c not in " -_")
    return NAMES.get(name, NAMES.get(name.removesuffix("s")))


def believable(um: float | None, unit: str, source: str) -> float | None:
    """Return a pixel's edge in um if a microscope can have it, else None.

    Parameters
    ----------
    um : float or None
    unit : str
        In which the file gives it. In inch and cm, print resolutions are passed over in silence.
    source : str
        For messages.

    Warns
    -----
    SparcellWarning
        If it is below 0.001 um or above 20 um, in another unit.
    """
    if um is None or SMALLEST_UM <= um <= LARGEST_UM:
        return um
    if unit.strip().lower() not in PRINT_UNITS:
        warnings.warn(
            f"{source} gives pixels of {um:g} um, which no microscope has that shows cells: "
            "the pixel size is taken as unknown",
            SparcellWarning,
            stacklevel=2,
        )
    return None


def pixel_edges(
    sizes: Iterable[float | None], units: tuple[str, str], source: str
) -> tuple[float | None, float | None]:
    """Convert a pixel's height and width to um; None where a microscope cannot have them.

    Parameters
    ----------
    sizes : iterable of float or None
        Height and width.
    units : tuple of str
        Of each.
    source : str
        For messages.

    Warns
    -----
    SparcellWarning
        See `believable`; also if the unit of one edge is a length, and that of the other is not.
    """
    y, x = map(to_um, sizes, units)
    # The height is what counts, and one line is enough.
    um, unit = (x, units[1]) if y is None else (y, units[0])
    if believable(um, unit, source) is None:
        return None, None
    if None in (y, x) and units[0] != units[1]:
        unknown, known = ("Y", "X") if y is None else ("X", "Y")
        warnings.warn(
            f"{source} gives pixels of {um:g} um along {known}, and in '{units[y is not None]}' "
            f"along {unknown}: {um:g} um is used for both",
            SparcellWarning,
            stacklevel=2,
        )
    return y, x


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
