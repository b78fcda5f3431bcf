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
                         or one file holds image and stain: `{files: raw, channels: DAPI}`

Every part but the images may be missing, for all fields or for some.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize

import yaml
from pydantic import ValidationError

from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.errors import InputError
from sparcell.core.field_tables import read_quality, read_split
from sparcell.core.files import whole_file
from sparcell.core.image_files import IMAGE_SUFFIXES, stem, without_previews
from sparcell.core.image_ref import ImageRef
from sparcell.core.tables import find_table

KINDS = {
    "images": IMAGE_SUFFIXES,
    "stain": IMAGE_SUFFIXES,
    "labels": IMAGE_SUFFIXES,
    "ignore": IMAGE_SUFFIXES,
    "masks": IMAGE_SUFFIXES,
    "points": (".csv", ".tsv", ".xlsx"),
    "tracks": (".txt",),
}
SELECTABLE = ("images", "stain")
"""Kinds that may be some channels or depths of their files."""


class FileLocation(NamedTuple):
    """Where the files of a kind are, and which channels and depths of them count.

    Attributes
    ----------
    files : str
        A folder, or a pattern with ``{name}``, relative to the dataset folder.
    selection : ChannelSelection
    """

    files: str
    selection: ChannelSelection = WHOLE


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
        listed = {kind: _list_files(root, places[kind].files, KINDS[kind]) for kind in KINDS}
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
        split = read_split(table, listed["images"]) if table else {}
        quality = read_quality(root / "quality.csv", listed["images"])
        samples = []
        for name in sorted(listed["images"]):
            row = dict(split.get(name, {}))
            part = row.pop("split", "")
            samples.append(
                Sample(
                    name=name,
                    files={
                        kind: ImageRef(files[name], selection=places[kind].selection)
                        for kind, files in listed.items()
                        if name in files
                    },
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


def read_layout(root: Path) -> dict[str, FileLocation]:
    """Places of kinds that ``dataset.yaml`` gives; none where there is no such file."""
    path = root / "dataset.yaml"
    if not path.exists():
        return {}
    try:
        layout = yaml.safe_load(path.read_text("utf8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} that is no YAML ({error})", "kind: folder", "correct it"
        ) from error
    if not isinstance(layout, dict):
        raise InputError(
            f"{path} with an entry that is not kind: folder", "text values", "correct it"
        )
    unknown = sorted(map(str, set(layout) - set(KINDS)))
    if unknown:
        raise InputError(
            f"'{unknown[0]}' in {path}", "one of " + ", ".join(KINDS), "correct the spelling"
        )
    return {kind: _read_place(value, kind, path) for kind, value in layout.items()}


def _read_place(value: Any, kind: str, path: Path) -> FileLocation:
    if isinstance(value, str):
        return FileLocation(value)
    files = value.get("files") if isinstance(value, dict) else None
    if not isinstance(files, str):
        raise InputError(
            f"{kind}: {value} in {path}",
            "a folder, or {files: folder, channels: names or numbers, depths: channels}",
            "correct it",
        )
    try:
        selected = {key: part for key, part in value.items() if key != "files"}
        selection = ChannelSelection.model_validate(selected)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{first['loc'][0]}: {value.get(first['loc'][0])} for {kind} in {path}",
            "files; channels: names or numbers from 0; depths: channels, max or numbers",
            "correct it",
        ) from error
    if selection != WHOLE and kind not in SELECTABLE:
        raise InputError(
            f"channels or depths of {kind} in {path}",
            "a folder alone; channels and depths of " + " and ".join(SELECTABLE),
            f"save the {kind} as files of their own",
        )
    return FileLocation(files, selection)


def dataset_images(folder: Path) -> dict[str, Path]:
    """Images of a dataset folder by the names of its fields; none where it is no dataset.

    A dataset is a folder whose ``dataset.yaml`` names the images, or that has a folder
    ``images/`` and no image beside it.

    Raises
    ------
    InputError
        If it is a dataset that cannot be read.
    """
    if not folder.is_dir() or folder.name.lower().endswith(".zarr"):
        return {}
    usual = (folder / "images").is_dir() and not _list_files(folder, ".", IMAGE_SUFFIXES)
    if not usual and "images" not in read_layout(folder):
        return {}
    return {sample.name: sample.image.path for sample in Dataset.open(folder).samples}


def field_pattern(path: Path, name: str, kind: str = "images") -> Path:
    """Folder or pattern that gives a file of one kind its field's name."""
    if stem(path, KINDS[kind]) == name:
        return path.parent
    # Names are compared in one form; macOS writes accents in another.
    return path.with_name(normalize("NFC", path.name).replace(name, "{name}", 1))


def write_layout(
    root: Path, places: dict[str, Path], selections: dict[str, ChannelSelection] | None = None
) -> None:
    """Write the ``dataset.yaml`` of `root`.

    Parameters
    ----------
    root : Path
    places : dict
        Kind to where its files are, a folder or a pattern.
    selections : dict, optional
        Kind to the channels and depths of them that count, where not all do.
    """
    layout: dict[str, Any] = {}
    for kind, place in places.items():
        files = _relative_to(root.resolve(), place)
        selection = (selections or {}).get(kind, WHOLE).model_dump(mode="json", exclude_none=True)
        layout[kind] = {"files": files, **selection} if selection else files
    with whole_file(root / "dataset.yaml") as partial:
        partial.write_text(yaml.safe_dump(layout, sort_keys=False, allow_unicode=True), "utf8")


def _relative_to(root: Path, place: Path) -> str:
    try:
        return os.path.relpath(place, root)
    except ValueError:
        # Another drive on Windows.
        return str(place)


def _list_files(root: Path, place: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files of one kind by sample name. `place` is a folder or a pattern with ``{name}``."""
    if "{name}" in place:
        if "{name}" not in Path(place).name:
            raise InputError(
                f"the pattern {place}, whose folder varies",
                "{name} in the file name alone",
                "put the files of a kind into one folder",
            )
        folder = root / Path(place).parent
        parts = normalize("NFC", Path(place).name).split("{name}", 1)
        pattern = re.compile("(.+)".join(re.escape(part) for part in parts))
        names = {path: normalize("NFC", path.name) for path in sorted(folder.glob("*"))}
        found = [(pattern.fullmatch(name), path) for path, name in names.items()]
        return {match[1]: path for match, path in found if match and path.name[0] != "."}
    folder = root / place
    files: dict[str, Path] = {}
    children = sorted(folder.glob("*")) if folder.is_dir() else []
    fitting = [path for path in children if path.name.lower().endswith(suffixes)]
    for path in without_previews(path for path in fitting if path.name[0] != "."):
        name = stem(path, suffixes)
        if name in files:
            raise InputError(
                f"both {files[name].name} and {path.name} in {folder}",
                "one file per field",
                "move one of them away",
            )
        files[name] = path
    return files
