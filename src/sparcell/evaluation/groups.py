"""Images in groups: the values of a column of split.csv, such as the cell line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.core.field_tables import read_named_rows
from sparcell.core.tables import find_table

USUAL_GROUPS = "cell"
"""Column of split.csv by which images are grouped where none is named: the cell line."""
NO_VALUE = "unknown"
"""Group of the images for which the column is empty."""


@dataclass(frozen=True)
class Groups:
    """A column and its value for each image.

    Attributes
    ----------
    column : str
    values : mapping from image name to str
    """

    column: str
    values: Mapping[str, str]

    def split(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Sort image names into groups, in the order of the groups' names.

        Images without a value are the group `NO_VALUE`.

        Raises
        ------
        InputError
            If the table has none of the images.
        """
        names = list(names)
        if names and not any(name in self.values for name in names):
            raise InputError(
                f"no name of the images, such as {names[0]}, beside the column '{self.column}'",
                "names of the images in the column name",
                "correct the table",
            )
        groups: dict[str, list[str]] = {}
        for name in names:
            groups.setdefault(self.values.get(name) or NO_VALUE, []).append(name)
        return dict(sorted(groups.items()))


def group_images(column: str, rows: Mapping[str, Mapping[str, str]], where: str) -> Groups:
    """Read a column as groups.

    Parameters
    ----------
    column : str
    rows : mapping from image name to mapping from column to str
    where : str
        The table, for the message.

    Raises
    ------
    InputError
        If there is no such column; it names those there are.
    """
    known = sorted({name for row in rows.values() for name in row})
    if column not in known:
        raise InputError(
            f"no column '{column}' in {where}",
            "one of " + ", ".join(known) if known else "a column beside name and split",
            "correct its name or add the column",
        )
    return Groups(column, {name: row.get(column, "") for name, row in rows.items()})


def usual_groups(
    column: str | None, rows: Mapping[str, Mapping[str, str]], where: str
) -> Groups | None:
    """Read a column as groups; where none is named `USUAL_GROUPS`, if there is such a column.

    Parameters and errors are those of `group_images`.
    """
    if not column and not any(USUAL_GROUPS in row for row in rows.values()):
        return None
    return group_images(column or USUAL_GROUPS, rows, where)


def read_groups(column: str, truth: Path, table: Path | None = None) -> Groups:
    """Read the groups of the images of a dataset.

    Parameters
    ----------
    column : str
        Column of the table.
    truth : Path
        Dataset folder, a folder of labels in one, or a label image there.
    table : Path, optional
        The table; by default the ``split.csv`` of that dataset.

    Raises
    ------
    InputError
        If there is no table, or no such column in it.
    """
    if table is None:
        folders = (truth, *list(truth.resolve().parents)[:2])
        found = [path for folder in folders if (path := find_table(folder, "split"))]
        if not found:
            raise InputError(
                f"no split.csv in {truth} or beside it",
                f"a table with the columns name and {column}",
                "name one as `table`",
            )
        table = found[0]
    elif not table.exists():
        raise InputError(f"no table {table}", "CSV with a column name", "check `table`")
    return group_images(column, read_named_rows(table), str(table))
