"""Write a simulated well as a microscope would leave it, with the truth beside it."""

from __future__ import annotations

import csv
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.simulation.settings import MotionSettings, SimulationSettings, WellSettings
from sparcell.simulation.well import SimulatedWell, simulate_well

WELL = "B3"
MINUTES = 15


def write_well(
    root: Path,
    settings: SimulationSettings,
    seed: int,
    frames: int,
    well: WellSettings | None = None,
    motion: MotionSettings | None = None,
) -> None:
    """Simulate a time-lapse of a well and write it into a folder.

    ``images/``, ``stain/`` and ``labels/`` have a file for each tile and time, named as IncuCyte
    does (``B3_1_00d00h15m.tif``: well, tile, elapsed time); a frame is 15 minutes. ``truth/01_GT``
    is the whole well as a truth of the Cell Tracking Challenge, and ``tiles.csv`` has the true
    place of each tile in each frame.

    Parameters
    ----------
    root : Path
        A folder that does not exist yet, or is empty.
    settings : SimulationSettings
        Of a tile; `cells` are those of the whole well.
    seed : int
    frames : int
    well : WellSettings, optional
    motion : MotionSettings, optional

    Raises
    ------
    InputError
        If the folder holds something, or a number is impossible.
    """
    if root.is_file() or (root.is_dir() and any(root.iterdir())):
        raise InputError(f"{root}, which exists already", "a new folder", "choose another one")
    simulated = simulate_well(settings, frames, seed, well, motion)
    with whole_file(root) as partial:
        _write(partial, simulated, settings.pixel_size)


def _write(root: Path, simulated: SimulatedWell, pixel_size: float) -> None:
    # Here, since simulating arrays alone needs no writer.
    from sparcell.io import write_image
    from sparcell.io.ctc import write_ctc

    rows = []
    for number, tile in enumerate(simulated.tiles, 1):
        for index, frame in enumerate(simulated.frames.tolist()):
            name = f"{WELL}_{number}_{elapsed(frame * MINUTES)}"
            pictures = (("images", tile.phase), ("stain", tile.stain), ("labels", tile.nuclei))
            for folder, movie in pictures:
                if movie is not None:
                    path = root / folder / f"{name}.tif"
                    write_image(path, movie[index], axes="YX", pixel_size=pixel_size)
            y, x = tile.origins[index].round(3).tolist()
            rows.append({"name": name, "row": tile.row, "column": tile.column, "y": y, "x": x})
    write_ctc(root / "truth" / "01_GT", simulated.nuclei, simulated.tracks, "truth")
    with (root / "tiles.csv").open("w", newline="", encoding="utf8") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def elapsed(minutes: int) -> str:
    """Write minutes as IncuCyte does: 00d00h15m."""
    days, rest = divmod(minutes, 24 * 60)
    return f"{days:02d}d{rest // 60:02d}h{rest % 60:02d}m"
