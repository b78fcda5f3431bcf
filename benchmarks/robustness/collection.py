"""Images of others, such as the samples that packages ship: each is described or refused in a line.

    python benchmarks/robustness/collection.py FOLDER ... [--reproducers reproducers]

The number of pixels that `sparcell info` states has to be one of those that tifffile or Pillow
finds in the file. Files that neither opens need not be readable.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import warnings
from pathlib import Path

import tifffile
from campaign import Campaign, load_libraries, run_forked, spell
from PIL import Image

from sparcell.core.image_files import IMAGE_SUFFIXES

AXES = re.compile(r"(\d+) [TCZYX]\b")


def open_all(campaign: Campaign, folders: list[Path]) -> None:
    """Describe every image below the folders; a row for each suffix."""
    load_libraries()
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    for suffix in IMAGE_SUFFIXES:
        ours = [file for file in files if _suffix(file) == suffix]
        if ours and (row := campaign.row(f"collected {suffix}")):
            for file in ours:
                words = ("info", file.name)
                outcome = run_forked(file.parent, [words])
                problem = outcome.problem() or _contradiction(file, outcome.printed)
                if outcome.code:
                    print(f"    refused: {outcome.printed.strip()[:200]}")
                campaign.judge(row, problem, spell(("info", str(file))))


def _suffix(file: Path) -> str:
    """Longest suffix of images that a file has."""
    fitting = [suffix for suffix in IMAGE_SUFFIXES if file.name.lower().endswith(suffix)]
    return max(fitting, key=len, default="")


def _contradiction(file: Path, printed: str) -> str:
    """Say that other libraries find other numbers of pixels; "" if they do not."""
    stated = [
        math.prod(map(int, AXES.findall(line))) for line in printed.splitlines() if " Y x" in line
    ]
    known = _pixels_in_file(file)
    if not stated or not known:
        return ""
    return "" if stated[0] in known else f"{stated[0]} pixels, of others {sorted(known)[:5]}"


def _pixels_in_file(file: Path) -> set[int]:
    """Numbers of pixels of the images in a file as tifffile or Pillow finds them."""
    warnings.simplefilter("ignore")
    found = set()
    try:
        with tifffile.TiffFile(file) as tif:
            # A palette may be shown in three colours.
            sizes = [math.prod(series.shape) for series in tif.series]
            found |= {size * colours for size in sizes for colours in (1, 3)}
    except Exception:  # It is no TIFF, or damaged.
        found = set()
    try:
        with Image.open(file) as picture:
            # Transparency is not read, and palettes are colours or grey.
            found |= {picture.width * picture.height * bands for bands in (1, 2, 3, 4)}
    except Exception:  # Neither is it a picture.
        return found
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--reproducers", type=Path, default=Path("reproducers"))
    given = parser.parse_args()
    campaign = Campaign("small", 0, given.reproducers.resolve())
    open_all(campaign, given.folders)
    print(f"\n{campaign.table()}")
    sys.exit(any(row.failures for row in campaign.rows))
