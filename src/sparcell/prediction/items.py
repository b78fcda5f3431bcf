"""The images of a prediction, and the files that their results go into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.image_files import stem
from sparcell.core.image_ref import ImageRef
from sparcell.io import PlateField, find_plate_field, locate_labels, open_image, unique_names
from sparcell.prediction.planning.input_checks import check_chunk_size, check_declared_size
from sparcell.prediction.settings import PredictSettings


@dataclass(frozen=True)
class Item:
    """One image to predict, and where its results go.

    Attributes
    ----------
    image : ImageRef
    name : str
        Of the results.
    out : Path
        Folder of all results.
    settings : PredictSettings
    plate_field : PlateField, optional
        Where on its plate the image was taken.
    """

    image: ImageRef
    name: str
    out: Path
    settings: PredictSettings
    plate_field: PlateField | None = None

    @property
    def path(self) -> Path:
        """The file of the image."""
        return self.image.path

    @property
    def axes(self) -> str | None:
        """Axes that are given for the image; None where its metadata count."""
        return self.image.axes or self.settings.axes

    @property
    def stain(self) -> Path:
        """The predicted stains, one image."""
        return self.out / "stain" / (self.name + self.settings.format)

    @property
    def objects(self) -> Path:
        """The object table."""
        return self.out / "objects" / f"{self.name}.csv"

    def hypothesis(self, number: int) -> Path:
        """Another label image, by its number from 1."""
        return self.out / "hypotheses" / str(number) / (self.name + self.settings.format)

    @property
    def picture(self) -> Path:
        """The picture of the image with its results."""
        return self.out / "pictures" / f"{self.name}.png"

    @property
    def written_labels(self) -> Path:
        """The label image that has been written, in one go or in blocks."""
        whole = self.labels(in_blocks=False)
        return whole if whole.exists() else self.labels(in_blocks=True)

    @property
    def unfinished(self) -> Path:
        """Folder of intermediate results of a prediction in blocks."""
        return self.out / "unfinished" / self.name

    def labels(self, in_blocks: bool) -> Path:
        """Path of the label image; a prediction in blocks writes OME-Zarr."""
        if self.settings.into_image:
            return locate_labels(self.path, self.settings.into_image)[0]
        suffix = ".ome.zarr" if in_blocks else self.settings.format
        return self.out / "labels" / (self.name + suffix)

    def open(self) -> Image:
        """Open the image without any checks."""
        return open_image(self.image, self.axes)

    def open_checked(self) -> Image:
        """Open the image, and refuse by its header what would fill the memory.

        Raises
        ------
        InputError
            If it cannot be read, declares an unlikely size, or has chunks that are too large.
        """
        image = self.open()
        check_declared_size(image, self.path, self.settings.max_pixels)
        check_chunk_size(image)
        return image


def list_items(
    images: Mapping[ImageRef, str], out: Path, settings: PredictSettings, resume: bool
) -> list[Item]:
    """Name the results after the images, or as `images` says for each.

    Raises
    ------
    InputError
        If names repeat, or labels of this name are in an image already.
    """
    plate_fields = [find_plate_field(image.path) for image in images]
    names = _choose_names(images, plate_fields)
    items = [
        Item(image, name, out, settings, plate_field)
        for image, name, plate_field in zip(images, names, plate_fields, strict=True)
    ]
    if settings.into_image and not resume:
        for item in items:
            if item.written_labels.exists():
                raise InputError(
                    f"labels {settings.into_image} in {item.path}",
                    "a new name",
                    "choose another `into_image`",
                )
    return items


def _choose_names(
    images: Mapping[ImageRef, str], plate_fields: Sequence[PlateField | None]
) -> list[str]:
    """Name images; their folders are added where names repeat, or folders carry meaning."""
    names = [
        given or (f"{stem(at.plate)}_{at.well}_f{at.field}" if at else image.name)
        for (image, given), at in zip(images.items(), plate_fields, strict=True)
    ]
    if all(images.values()) and len(set(names)) == len(names):
        # Names of a dataset's fields stay as they are, whatever its folders are called.
        return names
    folders = [
        at.plate.parent if at else image.path.parent
        for image, at in zip(images, plate_fields, strict=True)
    ]
    return names if all(images.values()) else unique_names(names, folders)
