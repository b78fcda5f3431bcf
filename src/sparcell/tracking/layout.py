"""Where the tiles of a well lie: from a grid and its order, or from a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.tables import name_columns, read_typed_table
from sparcell.core.text import counted

if TYPE_CHECKING:
    from pandas import DataFrame

Order = Literal["row", "snake", "column", "column-snake"]
ORDERS: tuple[Order, ...] = get_args(Order)
GRID_COLUMNS, PLACE_COLUMNS, UM_COLUMNS = ("row", "column"), ("y", "x"), ("y_um", "x_um")
COLUMNS = ("tile", *GRID_COLUMNS, *PLACE_COLUMNS, *UM_COLUMNS)
FORM = "the column tile, and row and column, or y and x (px), or y_um and x_um"


@dataclass(frozen=True)
class Layout:
    """Where tiles lie.

    Attributes
    ----------
    places : mapping from str to (float, float)
        Of each tile, down and to the right.
    unit : {"grid", "px", "um"}
        Of the places; "grid" means rows and columns.
    overlap : float, optional
        Of neighbours in a grid, px; below 0 a gap. None if it is to be measured.
    """

    places: Mapping[str, tuple[float, float]]
    unit: Literal["grid", "px", "um"]
    overlap: float | None = None

    def of(self, tiles: list[str], source: str) -> NDArray[np.float64]:
        """Return the places of tiles, (K, 2).

        Raises
        ------
        InputError
            If one has none.
        """
        if missing := [tile for tile in tiles if _name(tile) not in self.places]:
            raise InputError(
                f"tile {missing[0]} of {source}, which has no place",
                "a place for each tile, such as " + ", ".join(list(self.places)[:3]),
                "correct the grid, or the names of tiles in the table",
            )
        return np.array([self.places[_name(tile)] for tile in tiles], np.float64)


def read_layout(
    tiles: Path | str | None,
    grid: str | None,
    order: str = "row",
    names: list[str] | None = None,
    overlap: float | None = None,
) -> Layout | None:
    """Read the places of tiles from a table or a grid; None if neither is given.

    Parameters
    ----------
    tiles : Path or str, optional
        Table with the column tile and row and column, or y and x in px, or y_um and x_um.
    grid : str, optional
        Rows and columns, such as ``3x3``.
    order : {"row", "snake", "column", "column-snake"}
        In which the tiles of the grid are numbered.
    names : list of str, optional
        All tiles that there are.
    overlap : float, optional
        Of neighbours in the grid, px; below 0 a gap.

    Raises
    ------
    InputError
        If both are given, or one cannot be used.
    """
    if tiles is not None and grid is not None:
        raise InputError("a grid and a table of tiles", "one of them", "leave out the other")
    if grid is not None:
        return replace(of_grid(grid, order, names or []), overlap=overlap)
    if overlap is not None:
        raise InputError("an overlap without a grid", "a grid, such as 3x3", "give both")
    if order != "row":
        raise InputError(f"the order {order} without a grid", "a grid, such as 3x3", "give both")
    return None if tiles is None else of_table(Path(tiles))


def of_grid(grid: str, order: str, names: list[str]) -> Layout:
    """Number the tiles of a grid, from 1, or from 0 where a tile is called 0.

    Raises
    ------
    InputError
        If the grid or its order cannot be read, or a tile has no number of the grid.
    """
    match = re.fullmatch(r"(\d+)[x×](\d+)", grid.strip().lower())
    if not match or "0" in match.groups():
        raise InputError(f"a grid '{grid}'", "rows and columns, such as 3x3", "correct it")
    if order not in ORDERS:
        raise InputError(f"an order '{order}'", "one of " + ", ".join(ORDERS), "choose one of them")
    rows, columns = int(match[1]), int(match[2])
    numbers = {name: int(name) for name in names if name.isdecimal()}
    begin = min([1, *numbers.values()])
    odd = [name for name in names if not 0 <= numbers.get(name, -1) - begin < rows * columns]
    if odd:
        raise InputError(
            f"tile {odd[0]} for a grid of {counted(rows * columns, 'tile')}",
            f"numbers of {begin} to {begin + rows * columns - 1}",
            "correct the grid, or give the places of tiles in a table",
        )
    places = {}
    for name, number in numbers.items():
        across, along = divmod(number - begin, columns if order in ("row", "snake") else rows)
        if order.endswith("snake") and across % 2:
            along = (columns if order == "snake" else rows) - 1 - along
        row, column = (across, along) if order in ("row", "snake") else (along, across)
        places[_name(name)] = (float(row), float(column))
    return Layout(places, "grid")


def of_table(path: Path) -> Layout:
    """Read a table of tiles.

    Raises
    ------
    InputError
        If columns are missing, a place is no number, or a tile is there twice.
    """
    table = name_columns(read_typed_table(path), COLUMNS, path)
    unit: Literal["grid", "px", "um"]
    for columns, unit in ((PLACE_COLUMNS, "px"), (UM_COLUMNS, "um"), (GRID_COLUMNS, "grid")):
        if "tile" in table.columns and set(columns) <= set(table.columns):
            return Layout(_places(table, columns, path), unit)
    raise InputError(f"{path} with the columns {', '.join(table.columns)}", FORM, "add them")


def _places(
    table: DataFrame, columns: tuple[str, ...], path: Path
) -> dict[str, tuple[float, float]]:
    import pandas as pd

    numbers = table[list(columns)].apply(pd.to_numeric, errors="coerce")
    wrong = numbers.isna().any(axis=1).to_numpy()
    if wrong.any():
        raise InputError(
            f"a place that is no number in line {table.index[wrong.argmax()]} of {path}",
            "numbers",
            "correct it",
        )
    names = [_name(tile) for tile in table["tile"]]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"tile {twice[0]} twice in {path}", "a line for each tile", "correct it")
    places = numbers.to_numpy(np.float64).tolist()
    return {name: (y, x) for name, (y, x) in zip(names, places, strict=True)}


def _name(tile: str) -> str:
    """Write numbers alike: 01 is 1."""
    return str(int(tile)) if tile.isdecimal() else tile
