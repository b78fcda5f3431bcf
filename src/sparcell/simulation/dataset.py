"""Write a dataset folder of simulated fields."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.progress import track
from sparcell.simulation.field import SimulatedField, check_failure, simulate_field
from sparcell.simulation.settings import SimulationSettings, StainFailure

INTERVAL_HOURS = 6


def write_dataset(
    root: Path,
    settings: SimulationSettings,
    seed: int,
    train: int,
    val: int = 0,
    test: int = 0,
    failures: Sequence[StainFailure] = (),
    wells: Mapping[str, float] | None = None,
) -> None:
    """Write a dataset folder with the truth beside it.

    ``images/`` and ``stain/`` as in any dataset folder; ``truth/`` holds the nuclei and
    ``truth_cells/`` the cells. ``split.csv`` gives the split of each field, its number of
    nuclei, its stain failure and, where there are wells, well and hours.

    Parameters
    ----------
    root : Path
        A folder that does not exist yet, or is empty.
    settings : SimulationSettings
    seed : int
        Equal seeds give equal images.
    train, val, test : int
        Number of fields of each split.
    failures : sequence of str
        Stain failures of the first training fields, one for each.
    wells : mapping of str to float, optional
        Well to doubling time in hours, which makes the fields a growth experiment: all wells in
        turn every 6 hours, named ``B3_1_00d06h00m`` by well, tile and time. The number of cells
        begins at that of the settings and grows exponentially; splits are dealt out at random.

    Raises
    ------
    InputError
        If the folder holds something, a number is impossible or a well becomes overgrown.
    """
    rng = np.random.default_rng(seed)
    splits = _splits(train, val, test, failures)
    if wells:
        splits = [splits[i] for i in rng.permutation(len(splits))]
        fields = [_well_field(settings, wells, i) for i in range(len(splits))]
    else:
        fields = [({"name": f"field_{i:03d}"}, settings) for i in range(len(splits))]
    if root.is_file() or (root.is_dir() and any(root.iterdir())):
        raise InputError(f"{root}, which exists already", "a new folder", "choose another one")
    with whole_file(root) as partial:
        rows = []
        plan = zip(splits, fields, rng.spawn(len(splits)), strict=True)
        for (split, failure), (info, wanted), own in track(
            plan, "simulating", len(splits), "fields"
        ):
            field = simulate_field(wanted, own, failure)
            _write_field(partial, info["name"], field, settings.pixel_size)
            count = int(field.nuclei.max(initial=0))
            rows.append({**info, "split": split, "nuclei": count, "failure": failure})
        with (partial / "split.csv").open("w", newline="", encoding="utf8") as stream:
            table = csv.DictWriter(stream, list(rows[0]))
            table.writeheader()
            table.writerows(rows)


def _splits(
    train: int, val: int, test: int, failures: Sequence[StainFailure]
) -> list[tuple[str, StainFailure]]:
    """Split and stain failure of each field."""
    counts = {"train": train, "val": val, "test": test}
    if min(counts.values()) < 0 or not any(counts.values()):
        raise InputError(
            f"{train}, {val} and {test} fields to simulate",
            "numbers of 0 or more, not all 0",
            "correct train, val and test",
        )
    if len(failures) > train:
        raise InputError(
            f"{len(failures)} stain failures for {train} train fields",
            "at most one failure per field",
            "raise train",
        )
    for kind in failures:
        check_failure(kind)
    every: list[tuple[str, StainFailure]] = [
        (split, "none") for split, count in counts.items() for _ in range(count)
    ]
    every[: len(failures)] = [("train", kind) for kind in failures]
    return every


def _well_field(
    settings: SimulationSettings, wells: Mapping[str, float], number: int
) -> tuple[dict[str, str], SimulationSettings]:
    """Columns and settings of one field of a growth experiment."""
    step, which = divmod(number, len(wells))
    well = list(wells)[which]
    if not wells[well] > 0:
        raise InputError(
            f"doubling time {wells[well]} of well {well}", "hours above 0", "correct it"
        )
    hours = step * INTERVAL_HOURS
    cells = round(settings.count * 2 ** (hours / wells[well]))
    days, hour = divmod(hours, 24)
    info = {"name": f"{well}_1_{days:02d}d{hour:02d}h00m", "well": well, "hours": str(hours)}
    return info, SimulationSettings(**(settings.model_dump() | {"cells": cells}))


def _write_field(root: Path, name: str, field: SimulatedField, pixel_size: float) -> None:
    # Here, since simulating arrays alone needs no writer.
    from sparcell.io import write_image

    for folder, array in (
        ("images", field.phase),
        ("stain", field.stain),
        ("truth", field.nuclei),
        ("truth_cells", field.cells),
    ):
        write_image(root / folder / f"{name}.tif", array, axes="YX", pixel_size=pixel_size)
