"""Compares what the strips or tiles of a TIFF hold with the size that its header states."""

from __future__ import annotations

import math
from typing import Any

from tifffile import COMPRESSION


def describe_mismatch(page: Any) -> str:
    """Say how strips or tiles contradict the width, height and type of a page; "" if they do not.

    A header with another size than the file was written with gives sheared or cut images, which
    look like images. The number of strips is compared by tifffile itself.

    Parameters
    ----------
    page : tifffile.TiffPage or tifffile.TiffFrame
    """
    if page.is_tiled:
        needed, there = math.prod(page.chunked), len(page.dataoffsets)
        return "" if needed == there else f"{there} tiles, where its size needs {needed}"
    if page.compression != COMPRESSION.NONE or page.is_subsampled or page.bitspersample % 8:
        return ""
    needed, there = int(page.nbytes), sum(page.databytecounts)
    # Some programs write no sizes, or round them up to whole words.
    if not there or 0 <= there - needed <= 8:
        return ""
    return f"{there} bytes in its strips, where its size needs {needed}"
