"""The dataset folder: fields of view, and the annotations that each of them has.

::

    mydata/
      images/NAME.tif    the input of a model (phase contrast, bright field, ...)
      stain/NAME.tif     a nuclear dye of the same field
      labels/NAME.tif    outlines as instance labels
      ignore/NAME.tif    non-zero where labels are uncertain; training ignores these pixels
      masks/NAME.tif     image-level masks
      points/NAME.csv    columns y,x in px
      split.csv          columns name,split and any others (cell line, well, ...)
      quality.csv        written by `sparcell label`: columns name,accepted,reason,...
      dataset.yaml       only if the folders have other names, `stain: ../dapi/{name}_w2.tif`,
                         or one file holds image and stain: `{files: raw, channels: DAPI}`,
                         or several fields: `{files: raw, scenes: {exp: [Pos0, Pos1]}}`

Every part but the images may be missing, for all fields or for some.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from sparcell.core.channel_selection import WHOLE
from sparcell.core.dataset_layout import KINDS, FileLocation, list_files, read_layout
from sparcell.core.errors import InputError
from sparcell.core.field_tables import read_quality, read_split
from sparcell.core.image_files import IMAGE_SUFFIXES
from sparcell.core.image_ref import ImageRef
from sparcell.core.tables import find_table


@dataclass(frozen=True)
class Sample:
    """One field of view: its image and the annotations it has.

    Attributes
    ----------
    name : str
    files : dict
        Kind (a key of `KINDS`) to the image, or table, and what of it counts; a kind that the field
        lacks is absent.
    split : str
        ``train``, ``val``, ``test``, or ``""`` where no split is given.
    refused : str
        Why the quality gate refused the field's labels; ``""`` where it did not.
    info : dict
        The other columns of ``split.csv``, as text.
    """

    name: str
    files: dict[str, ImageRef]
    split: str = ""
    refused: str = ""
    info: dict[str, str] = field(default_factory=dict)

    @property
    def image(self) -> ImageRef:
        """The image."""
        return self.files["images"]

    @property
    def whole_image(self) -> ImageRef:
        """The image with all of its channels and depths."""
        return replace(self.image, selection=WHOLE)


@dataclass(frozen=True)
class Dataset:
    """All samples of one or more dataset folders, ordered by name."""

    root: Path
    samples: tuple[Sample, ...]

    @classmethod
    def open(cls, root: Path, **folders: str) -> Dataset:
        """List a dataset folder without reading any image.

        Parameters
        ----------
        root : Path
            The folder.
        **folders : str
            Other folder names or patterns by kind, which override those in ``dataset.yaml``;
            ``labels="labels_nuclei"``. The usual name, ``labels="labels"``, leaves the place to
            ``dataset.yaml``, but there must be some.

        Raises
        ------
        InputError
            If the folder, its images or a table in it cannot be used.
        """
        if not root.is_dir():
            raise InputError(f"no folder {root}", "a dataset folder", "check the path")
        other = {kind: FileLocation(place) for kind, place in folders.items() if place != kind}
        places = {kind: FileLocation(kind) for kind in KINDS} | read_layout(root) | other
        listed = {kind: places[kind].list_fields(root, KINDS[kind]) for kind in KINDS}
        for kind in folders:
            if not listed[kind]:
                raise InputError(
                    f"nothing in {root / places[kind].files}",
                    f"{kind} files",
                    "check the folder name"
                    + ", or make labels with `sparcell label`" * (kind == "labels"),
                )
        if not listed["images"]:
            raise InputError(
                f"no image in {root / places['images'].files}",
                "images, such as TIFF, OME-Zarr or PNG, in a folder images/",
                "put them there or name the folder in dataset.yaml",
            )
        table = find_table(root, "split")
        # A row of a table means one field, so the file of several scenes has no row.
        files = {
            name: Path(name) if ref.scene and ref.name == name else ref.path
            for name, ref in listed["images"].items()
        }
        split = read_split(table, files) if table else {}
        quality = read_quality(root / "quality.csv", files)
        samples = []
        for name in sorted(listed["images"]):
            row = dict(split.get(name, {}))
            part = row.pop("split", "")
            samples.append(
                Sample(
                    name=name,
                    files={kind: refs[name] for kind, refs in listed.items() if name in refs},
                    split=part,
                    refused=quality.get(name, ""),
                    info=row,
                )
            )
        return cls(root, tuple(samples))

    def where(self, **conditions: str | list[str]) -> Dataset:
        """Keep the samples whose ``split.csv`` columns have the given values (pure sets)."""
        for column in conditions:
            if column != "split" and not any(column in sample.info for sample in self.samples):
                raise InputError(
                    f"no column '{column}' in {self.root / 'split.csv'}",
                    "a column of that table",
                    "check the setting data.where",
                )

        def fits(sample: Sample) -> bool:
            row = {"split": sample.split, **sample.info}
            return all(
                row.get(column, "") in ([wanted] if isinstance(wanted, str) else wanted)
                for column, wanted in conditions.items()
            )

        return replace(self, samples=tuple(s for s in self.samples if fits(s)))

    def having(self, *kinds: str) -> Dataset:
        """Keep the samples that have all of `kinds`."""
        samples = tuple(s for s in self.samples if all(kind in s.files for kind in kinds))
        return replace(self, samples=samples)

    def split(self, part: str) -> Dataset:
        """Keep the samples of one split."""
        return replace(self, samples=tuple(s for s in self.samples if s.split == part))

    def __len__(self) -> int:
        return len(self.samples)


def dataset_images(folder: Path) -> dict[str, ImageRef]:
    """Images of a dataset folder by the names of its fields; none where it is no dataset.

    All channels and depths of them, of which a model chooses those that it needs.

    A dataset is a folder whose ``dataset.yaml`` names the images, or that has a folder
    ``images/`` and no image beside it.

    Raises
    ------
    InputError
        If it is a dataset that cannot be read.
    """
    if not folder.is_dir() or folder.name.lower().endswith(".zarr"):
        return {}
    usual = (folder / "images").is_dir() and not list_files(folder, ".", IMAGE_SUFFIXES)
    if not usual and "images" not in read_layout(folder):
        return {}
    return {sample.name: sample.whole_image for sample in Dataset.open(folder).samples}
