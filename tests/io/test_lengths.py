"""Units of length."""

from __future__ import annotations

import pytest

from sparcell.core.errors import SparcellWarning
from sparcell.io.lengths import believable, one_pixel_size, to_um


@pytest.mark.parametrize(
    ("unit", "um"),
    [("m", 1e6), ("cm", 1e4), ("mm", 1e3), ("millimeter", 1e3), ("Millimeter", 1e3), ("um", 1.0),
     ("\u00b5m", 1.0), ("\u03bcm", 1.0), ("\\u00B5m", 1.0), (" micron ", 1.0), ("nm", 1e-3),
     ("nanometer", 1e-3), ("\u00c5", 1e-4), ("inch", 25400.0), ("Mm", None), ("pixel", None),
     ("", None), ("micrometers", 1.0), ("Micrometres", 1.0), ("Microns", 1.0), ("u", 1.0),
     ("\u00b5", 1.0), ("\u00c2\u00b5m", 1.0), ("\ufffdm", 1.0), ("\\u00b5m", 1.0),
     ("micro-meter", 1.0), ("nanometres", 1e-3), ("millimetres", 1e3), ("centimeters", 1e4),
     ("cm", 1e4), ("meters", 1e6), ("inches", 25400.0), ("in.", 25400.0),
     ("\u00e5ngstr\u00f6m", 1e-4), ("A\u030angstroms", 1e-4),
     ("pixels", None), ("px", None), ("NM", None), ("seconds", None)],
)  # fmt: skip
def test_units(unit: str, um: float | None) -> None:
    assert to_um(2.0, unit) == (None if um is None else pytest.approx(2 * um))


@pytest.mark.parametrize("length", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_no_length(length: float | None) -> None:
    assert to_um(length, "um") is None


def test_one_known_side_is_enough() -> None:
    assert one_pixel_size(None, 0.5, "a") == 0.5 == one_pixel_size(0.5, None, "a")
    assert one_pixel_size(None, None, "a") is None


@pytest.mark.parametrize("um", [None, 1e-3, 0.65, 20.0])
def test_believable_sizes_stay(um: float | None) -> None:
    assert believable(um, "um", "a.tif") == um


@pytest.mark.parametrize("um", [1e-9, 5e-4, 21.0, 84.67, 650.0])
def test_a_size_that_no_microscope_has_is_said(um: float) -> None:
    with pytest.warns(SparcellWarning, match=r"a\.tif gives pixels of .* um, which no microscope"):
        assert believable(um, "um", "a.tif") is None


@pytest.mark.parametrize("unit", ["inch", "Inches", "cm"])
def test_print_resolutions_are_passed_over(unit: str) -> None:
    assert believable(352.8, unit, "a.tif") is None
