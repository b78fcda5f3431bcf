"""Files of a Micro-Manager acquisition, without opening all of them for each.

Each file of an acquisition begins with an index of its own images: channel, depth, time, position.
Positions are files of their own as a rule; large ones continue in ``NAME_1.ome.tif`` and so on.
tifffile reads all files of the folder for any of them, which takes N x N openings for N files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile
from tifffile.tifffile import read_micromanager_metadata

NUMBERED = re.compile(r"(.+_MMStack.*)_\d+((?:\.ome)?\.tiff?)", re.IGNORECASE)
"""Name of a file that continues another: the other's name is both groups."""
PLACE = 3
"""Column of the index with the number of the stage position."""


def first_file(path: Path) -> Path | None:
    """Find the file whose position this file continues; None where it begins one.

    The name alone is no proof, as labels of positions may end in numbers.
    """
    match = NUMBERED.fullmatch(path.name)
    first = path.with_name(match[1] + match[2]) if match else None
    if first is None or not first.is_file():
        return None
    return first if _positions_in(first) & _positions_in(path) else None


def ignore_other_files(tif: TiffFile) -> None:
    """Let tifffile read this file alone, if all images of a position are in it.

    Parameters
    ----------
    tif : tifffile.TiffFile
        Changed in place, before its series are listed.
    """
    if not tif.is_micromanager:
        return
    settings = tif.micromanager_metadata or {}
    summary: Any = settings.get("Summary")
    index: Any = settings.get("IndexMap", ())
    if not isinstance(summary, dict) or len(index) == 0:
        return
    positions = np.unique(index[:, PLACE])
    if len(positions) != 1 or _is_continued(Path(tif.filehandle.path)):
        return
    # tifffile looks for other files where the index has fewer images than all positions need.
    number = int(positions[0])
    labels: Any = summary.get("StagePositions")
    listed = isinstance(labels, list) and number < len(labels)
    label = labels[number] if listed else {"Label": f"Pos{number}"}
    summary |= {"Positions": 1, "StagePositions": [label]}
    # tifffile's own array cannot be written to.
    index = index.copy()
    index[:, PLACE] = 0
    settings["IndexMap"] = index


def _is_continued(path: Path) -> bool:
    """Whether, by their names, the file continues another or others continue it."""
    name = NUMBERED.fullmatch(path.name)
    if name and path.with_name(name[1] + name[2]).exists():
        return True
    whole = re.fullmatch(r"(.+?)((?:\.ome)?\.tiff?)", path.name, re.IGNORECASE)
    return whole is not None and path.with_name(f"{whole[1]}_1{whole[2]}").exists()


def _positions_in(path: Path) -> set[int]:
    """Numbers of the positions in a file's own index; none where it has no index."""
    try:
        with path.open("rb") as stream:
            index: NDArray[Any] = read_micromanager_metadata(stream, {"IndexMap"})["IndexMap"]
    except (KeyError, OSError, ValueError):
        return set()
    return set(index[:, PLACE].tolist())
