"""Units of length."""

from __future__ import annotations

import pytest

from sparcell.io.lengths import one_pixel_size, to_um


@pytest.mark.parametrize(
    ("unit", "um"),
    [("m", 1e6), ("cm", 1e4), ("mm", 1e3), ("millimeter", 1e3), ("Millimeter", 1e3), ("um", 1.0),
     ("\u00b5m", 1.0), ("\u03bcm", 1.0), ("\\u00B5m", 1.0), (" micron ", 1.0), ("nm", 1e-3),
     ("nanometer", 1e-3), ("\u00c5", 1e-4), ("inch", 25400.0), ("Mm", None), ("pixel", None),
     ("", None)],
)  # fmt: skip
def test_units(unit: str, um: float | None) -> None:
    assert to_um(2.0, unit) == (None if um is None else pytest.approx(2 * um))


@pytest.mark.parametrize("length", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_no_length(length: float | None) -> None:
    assert to_um(length, "um") is None


def test_one_known_side_is_enough() -> None:
    assert one_pixel_size(None, 0.5, "a") == 0.5 == one_pixel_size(0.5, None, "a")
    assert one_pixel_size(None, None, "a") is None
