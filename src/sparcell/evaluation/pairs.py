"""Pairs of true and predicted images, by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from sparcell.core.dataset import Dataset, dataset_images
from sparcell.core.dataset_layout import read_layout
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.image_files import stem
from sparcell.core.image_ref import ImageRef
from sparcell.core.label_kinds import separate_objects
from sparcell.core.labels import Labels
from sparcell.core.max_projection import project

ImageSource = Path | ImageRef | Image
Source = Path | str | Mapping[str, ImageSource]
MAX_NAMES = 5


@dataclass(frozen=True)
class Pair:
    """The true image of a field, the predicted one, and optionally a mask of ignored pixels."""

    name: str
    truth: ImageSource
    pred: ImageSource
    ignore: ImageSource | None = None

    def open(self, projected: bool = False) -> tuple[Image, Image, Image | None]:
        """Open all images.

        Parameters
        ----------
        projected : bool
            A truth of several depths is projected to its maximum if the prediction has one.

        Raises
        ------
        InputError
            If one cannot be read, or they differ in height, width, time points or depths.
        """
        truth, pred = _open(self.truth), _open(self.pred)
        if projected:
            from sparcell.io.chunks import warn_missing_chunks

            for stain in (truth, pred):
                warn_missing_chunks(stain)
        if projected and pred.size("Z") == 1:
            truth = project(truth)
        ignore = _open(self.ignore) if self.ignore else None
        for other in (pred, ignore):
            if other and other.tzyx != truth.tzyx:
                raise InputError(
                    f"{other.source} of T, Z, Y, X = {other.tzyx} beside {truth.source} of "
                    f"{truth.tzyx}",
                    "images of the same size",
                    "check that they belong together",
                )
        return truth, pred, ignore

    def planes(self) -> Iterator[tuple[Labels, Labels]]:
        """Give true and predicted ids plane by plane; what to leave out is background in both.

        Raises
        ------
        InputError
            As `open` does, or if ids cannot be read.
        """
        truth, pred, ignore = self.open()
        truth, pred = separate_objects(truth), separate_objects(pred)
        for plane in truth.planes():
            true, found = truth.read_labels(plane=plane), pred.read_labels(plane=plane)
            if ignore:
                counted = ignore.read_labels(plane=plane) == 0
                true, found = true * counted, found * counted
            yield true, found


def pair_images(
    truth: Source,
    pred: Source,
    ignore: Source | None = None,
    kind: str = "labels",
    fields: Sequence[str] = (),
) -> list[Pair]:
    """Pair the images of two folders by name without suffix, or two files.

    Parameters
    ----------
    truth, pred : Path, str or mapping from name to Path, ImageRef or Image
        Two folders of images, or two images whatever their names. A folder with a folder `kind` in
        it, as a dataset or a prediction is, stands for that; one whose ``dataset.yaml`` names
        where that is, for what is there.
    ignore : Path, str or mapping from name to Path, ImageRef or Image, optional
        Images that are non-zero where pixels shall be left out. A field without one is compared
        whole.
    kind : str
        ``labels`` or ``stain``.
    fields : sequence of str
        Only images of these names, with ``*`` and ``?`` for any letters; the others need not pair.

    Raises
    ------
    InputError
        If a path is missing, a folder is empty, a name is on one side only, or none is as
        `fields` says.
    """
    alone = [
        isinstance(source, Path | str) and not _is_folder(Path(source)) for source in (truth, pred)
    ]
    if alone == [True, True]:
        one = Path(str(truth))
        _choose([stem(one)], fields)
        return [Pair(stem(one), one, Path(str(pred)), Path(str(ignore)) if ignore else None)]
    if any(alone):
        raise InputError(
            f"a folder and an image: {truth} and {pred}",
            "two folders or two images",
            "give two folders or two images",
        )
    truths, preds = images_by_name(truth, kind), images_by_name(pred, kind)
    fields_of = {**_fields_of_images(truth), **_fields_of_images(pred)}
    truths, preds = _as_fields(truths, preds, fields_of), _as_fields(preds, truths, fields_of)
    if fields:
        chosen = _choose({**truths, **preds}, fields)
        truths, preds = (
            {name: side[name] for name in chosen if name in side} for side in (truths, preds)
        )
    sides = (
        (truth, "the truth", sorted(truths.keys() - preds.keys())),
        (pred, "the prediction", sorted(preds.keys() - truths.keys())),
    )
    unpaired = [
        f"{', '.join(names[:MAX_NAMES])}{' ...' if len(names) > MAX_NAMES else ''} "
        f"({side if isinstance(source, Mapping) else source})"
        for source, side, names in sides
        if names
    ]
    if unpaired:
        listed = " and ".join(unpaired)
        raise InputError(
            f"no partner for {listed}",
            "the same names in both",
            "move the others away",
            f"No partner for {listed}: names must be equal. Move the others away, or choose with "
            "`fields`.",
        )
    ignored = images_by_name(ignore, "ignore") if ignore else {}
    if ignored and not ignored.keys() & truths.keys():
        raise InputError(
            f"no image of {truth} in {ignore}", "images of the same names", "check the folder"
        )
    return [Pair(name, truths[name], preds[name], ignored.get(name)) for name in sorted(truths)]


def _choose(names: Iterable[str], fields: Sequence[str]) -> list[str]:
    """Return the names that are as one of `fields` says."""
    known = sorted(names)
    for wanted in fields:
        if not any(fnmatchcase(name, wanted) for name in known):
            more = " ..." if len(known) > MAX_NAMES else ""
            raise InputError(
                f"no image {wanted}",
                "one of " + ", ".join(known[:MAX_NAMES]) + more,
                "correct the name; * stands for any letters",
            )
    return [name for name in known if any(fnmatchcase(name, wanted) for wanted in fields)]


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.lower().endswith(".zarr")


def _open(image: ImageSource) -> Image:
    from sparcell.io import open_image

    return image if isinstance(image, Image) else open_image(image)


def images_by_name(source: Source, kind: str = "labels") -> Mapping[str, ImageSource]:
    """List the images of a folder by their names, as `pair_images` finds them.

    Parameters
    ----------
    source : Path, str or mapping from name to Path, ImageRef or Image
        A folder of images, a folder with a folder `kind` in it, or a dataset.
    kind : str

    Raises
    ------
    InputError
        If two files have the same name.
    """
    from sparcell.io import list_images, open_sample

    if isinstance(source, Mapping):
        return source
    folder = Path(source)
    if kind in read_layout(folder):
        dataset = Dataset.open(folder, **{kind: kind})
        return {s.name: open_sample(s, kind) for s in dataset.having(kind).samples}
    if (folder / kind).is_dir():
        folder = folder / kind
    files: dict[str, Path] = {}
    for path in list_images([folder]):
        if stem(path) in files:
            raise InputError(
                f"both {files[stem(path)].name} and {path.name} in {folder}",
                "one file of each name",
                "move one of them away",
            )
        files[stem(path)] = path
    return files


def _fields_of_images(source: Source) -> dict[str, str]:
    """Names of a dataset's image files, without suffix, to the names of their fields.

    They differ where ``dataset.yaml`` has a pattern such as ``{name}_phase.tif``.
    """
    if isinstance(source, Mapping):
        return {}
    folder = Path(source)
    for root in (folder, folder.parent):
        if "images" in read_layout(root):
            files = {image.name: name for name, image in dataset_images(root).items()}
            return {file: name for file, name in files.items() if file != name}
    return {}


def _as_fields(
    files: Mapping[str, ImageSource],
    others: Mapping[str, ImageSource],
    fields: Mapping[str, str],
) -> Mapping[str, ImageSource]:
    """Name files after fields where only these have a partner on the other side."""
    named = {
        name: fields[name] if name not in others and fields.get(name) in others else name
        for name in files
    }
    # Two files of one field keep their names: the message on names without partner lists both.
    unique = len(set(named.values())) == len(named)
    return {named[name]: file for name, file in files.items()} if unique else files
