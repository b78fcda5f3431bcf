"""A review session: a folder with its cases, and a log for each expert.

::

    SESSION/
      session.json     fields, cases, experts, seed, and hashes of the files
      cases/ID.tif     the predicted objects of a case, as an instance label image
      NAME_cases.csv   the cases in the order in which an expert sees them
      NAME.jsonl       what an expert did, see `sparcell.review.events`
      consensus.jsonl  judgements of what experts disagreed about
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.files import sha256
from sparcell.core.labels import Labels
from sparcell.io import open_image
from sparcell.review.cases import Case, ReviewField
from sparcell.review.stored import DatasetFolder, read_stored

FILE = "session.json"
CONSENSUS = "consensus"
"""Name of the log in which disagreements are judged; no expert has this name."""


class Session(DatasetFolder):
    """A session as it was made; it does not change.

    It has what a `DatasetFolder` has, and more.

    Attributes
    ----------
    experts : tuple of str
    models : tuple of str
        In the order in which they were named.
    by : str
        Column of ``split.csv`` that groups the fields; empty for a single group.
    fields : tuple of ReviewField
    cases : tuple of Case
    """

    experts: tuple[str, ...]
    models: tuple[str, ...]
    by: str = ""
    fields: tuple[ReviewField, ...]
    cases: tuple[Case, ...]

    def case(self, case_id: str) -> Case:
        """Return a case by its id.

        Raises
        ------
        InputError
            If there is none.
        """
        if case_id not in self._by_id:
            raise InputError(f"case {case_id}", f"a case of {self.root}", "correct the id")
        return self._by_id[case_id]

    @cached_property
    def _by_id(self) -> dict[str, Case]:
        return {case.id: case for case in self.cases}

    @cached_property
    def field_by_name(self) -> dict[str, ReviewField]:
        """Fields by their names."""
        return {field.name: field for field in self.fields}

    @property
    def originals(self) -> list[Case]:
        """Cases that count in the tables: all but those shown again."""
        return [case for case in self.cases if not case.repeat]

    def read_objects(self, case: Case) -> Labels:
        """Read the objects of a case, (Y, X) int32.

        Raises
        ------
        InputError
            If the file is not the one that the session was made with.
        """
        self.check_objects(case)
        return open_image(self.objects_path(case)).read_labels()

    def objects_path(self, case: Case) -> Path:
        """File of the objects of a case."""
        return self.root / "cases" / f"{case.id}.tif"

    def check_objects(self, case: Case) -> None:
        """Check that the file of a case's objects is the one that the session was made with.

        Raises
        ------
        InputError
            If not.
        """
        path = self.objects_path(case)
        if not path.is_file() or sha256(path) != case.sha256:
            raise InputError(
                f"{path}, which is missing or was changed",
                "the objects that experts judge",
                "restore the file from a backup",
            )


def open_session(folder: Path | str) -> Session:
    """Open a session.

    Raises
    ------
    InputError
        If the folder has none, or its file is damaged.
    """
    return read_stored(Session, Path(folder) / FILE, "a review session", "sparcell review new")


def diameters(labels: Labels) -> NDArray[np.float64]:
    """Diameters of objects 1..n as those of circles of the same area, (n,) px."""
    return np.sqrt(np.bincount(labels.ravel())[1:] * 4 / np.pi)
