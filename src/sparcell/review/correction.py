"""A correction: a folder with predicted objects, and the edits that people make to them.

::

    CORRECTION/
      correction.json      images, model, seed, and hashes of the files
      queue.csv            objects in the order in which they are shown
      start/NAME.tif       labels before the first edit
      candidates/NAME.tif  objects that other views find and `start` lacks
      edits/NAME.jsonl     what was edited, see `sparcell.review.edit_log`
      labels/NAME.tif      labels after the edits, written now and then
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from sparcell.core.errors import InputError
from sparcell.core.files import sha256
from sparcell.core.labels import Labels
from sparcell.core.settings import Settings
from sparcell.io import open_image
from sparcell.review.queue import Queued
from sparcell.review.stored import DatasetFolder, read_stored

CORRECTION_FILE = "correction.json"
QUEUE_FILE = "queue.csv"


class CorrectedImage(Settings, frozen=True, extra="forbid"):
    """An image of a correction as it was when that was made.

    Attributes
    ----------
    name, split : str
        In the dataset.
    sha256 : str
        Of the image.
    start_sha256 : str
        Of ``start/NAME.tif``.
    objects : int
        In ``start/NAME.tif``, ids 1 to `objects`.
    candidates : int
        In ``candidates/NAME.tif``.
    shape : (int, int)
        Height and width, px.
    """

    name: str
    split: str
    sha256: str
    start_sha256: str
    objects: int = Field(ge=0)
    candidates: int = Field(0, ge=0)
    shape: tuple[int, int]


class Correction(DatasetFolder):
    """A correction as it was made; the edits are in logs beside it.

    It has what a `DatasetFolder` has, and more.

    Attributes
    ----------
    labels_of : str
        Folder that the labels were copied from.
    model : str
        File of the model that predicted them; empty where there is none.
    predicted : dict
        Settings of the prediction that matter to the model: ``diameter`` and ``channel``.
    diameter : float
        Median diameter of all objects, px; 0 where there is none.
    images : tuple of CorrectedImage
    """

    labels_of: str
    model: str = ""
    predicted: dict[str, Any] = Field(default_factory=dict)
    diameter: float = 0.0
    images: tuple[CorrectedImage, ...]

    def image(self, name: str) -> CorrectedImage:
        """Return an image by its name.

        Raises
        ------
        InputError
            If there is none.
        """
        found = next((one for one in self.images if one.name == name), None)
        if found is None:
            raise InputError(f"image {name}", f"an image of {self.root}", "correct the name")
        return found

    def read_start(self, name: str) -> Labels:
        """Read the labels of an image before the first edit, (Y, X) int32.

        Raises
        ------
        InputError
            If the file is missing or was changed.
        """
        path = self.root / "start" / f"{name}.tif"
        if not path.is_file() or sha256(path) != self.image(name).start_sha256:
            raise InputError(
                f"{path}, which is missing or was changed",
                "the labels that edits begin with",
                "restore the file from a backup",
            )
        return open_image(path).read_labels()

    def candidates_path(self, name: str) -> Path:
        """File of the objects that other views find."""
        return self.root / "candidates" / f"{name}.tif"

    def log_path(self, name: str) -> Path:
        """Log of the edits of an image."""
        return self.root / "edits" / f"{name}.jsonl"

    def labels_path(self, name: str) -> Path:
        """File of the labels after the edits."""
        return self.root / "labels" / f"{name}.tif"

    @cached_property
    def queue(self) -> list[Queued]:
        """All objects in the order in which they are shown."""
        rows = pd.read_csv(self.root / QUEUE_FILE, dtype={"field": str}, keep_default_na=False)
        return [Queued(*row) for row in rows[list(Queued._fields)].itertuples(index=False)]


def open_correction(folder: Path | str) -> Correction:
    """Open a correction.

    Raises
    ------
    InputError
        If the folder has none, or its file is damaged.
    """
    return read_stored(
        Correction, Path(folder) / CORRECTION_FILE, "a correction", "sparcell review correct"
    )
