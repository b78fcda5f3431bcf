"""Images, labels and review sessions below a folder, each with an id.

Addresses of the app have ids, never paths. An id is looked up among what was found in the folder,
so nothing else can be asked for.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from sparcell.core.dataset import Dataset, dataset_images
from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image_ref import ImageRef
from sparcell.evaluation.pairs import images_by_name
from sparcell.io import list_images
from sparcell.review.correction import CORRECTION_FILE
from sparcell.review.session import FILE as SESSION_FILE
from sparcell.tracking.results import is_tracked

logger = logging.getLogger(__name__)

DEEPEST = 3
"""Levels of folders that are searched."""
MOST_FOLDERS = 2000


class UnknownIdError(LookupError):
    """An id that stands for nothing in the folder."""


@dataclass(frozen=True)
class Layer:
    """Label images of one origin: a dataset's labels, or `predicted` by a model.

    Ids are those of tracks where `sparcell track` wrote the folder.
    """

    id: str
    name: str
    folder: Path
    predicted: bool
    images: Mapping[str, ImageRef] = field(repr=False)
    tracked: bool = False


@dataclass(frozen=True)
class Field:
    """One image, and a stain of it where there is one."""

    id: str
    name: str
    image: ImageRef
    stain: ImageRef | None = None
    split: str = ""


@dataclass(frozen=True)
class Collection:
    """Images that belong together: a dataset, or a folder of images."""

    id: str
    name: str
    folder: Path
    kind: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Workspace:
    """Everything that was found below a folder."""

    root: Path
    collections: tuple[Collection, ...]
    layers: tuple[Layer, ...]
    sessions: dict[str, Path]
    corrections: dict[str, Path] = field(default_factory=dict)

    def field(self, field_id: str) -> Field:
        """Return a field by its id.

        Raises
        ------
        UnknownIdError
            If there is none.
        """
        for one in self.collections:
            for known in one.fields:
                if known.id == field_id:
                    return known
        raise UnknownIdError(field_id)

    def layer(self, layer_id: str) -> Layer:
        """Return a layer by its id; an `UnknownIdError` if there is none."""
        for layer in self.layers:
            if layer.id == layer_id:
                return layer
        raise UnknownIdError(layer_id)

    def labels(self, field_id: str, layer_id: str) -> ImageRef:
        """Return the labels of a field in a layer; an `UnknownIdError` if there are none."""
        name, layer = self.field(field_id).name, self.layer(layer_id)
        if name not in layer.images:
            raise UnknownIdError(layer_id)
        return layer.images[name]

    def session(self, session_id: str) -> Path:
        """Return the folder of a session; an `UnknownIdError` if there is none."""
        if session_id not in self.sessions:
            raise UnknownIdError(session_id)
        return self.sessions[session_id]

    def correction(self, correction_id: str) -> Path:
        """Return the folder of a correction; an `UnknownIdError` if there is none."""
        if correction_id not in self.corrections:
            raise UnknownIdError(correction_id)
        return self.corrections[correction_id]

    def layers_of(self, field: Field) -> list[Layer]:
        """List the layers that have labels of a field, by its name."""
        return [layer for layer in self.layers if field.name in layer.images]


def scan(root: Path) -> Workspace:
    """Find datasets, folders of images, label images, sessions and corrections.

    What cannot be read is left out with a warning. So are links that lead out of the folder. The
    results of `predict` name the folder of their images: that one is read too, if `root` is
    such a folder, and those of folders below it are not.
    """
    collections, layers = [], []
    sessions: dict[str, Path] = {}
    corrections: dict[str, Path] = {}
    allowed = (root, *_named_folders(root))
    for folder in _folders(root):
        name = str(folder.relative_to(root)) if folder != root else root.resolve().name
        if (folder / SESSION_FILE).is_file():
            sessions[_id("session", name)] = folder
            continue
        if (folder / CORRECTION_FILE).is_file():
            corrections[_id("correction", name)] = folder
            continue
        try:
            collection, layer = _read_folder(allowed, folder, name)
        except InputError as error:
            _warn_once(f"{name} is not shown: {error}")
            continue
        if collection:
            collections.append(collection)
        if layer:
            layers.append(layer)
    return Workspace(root, tuple(collections), tuple(layers), sessions, corrections)


@cache
def _warn_once(text: str) -> None:
    """Warn of a folder at its first scan; the pages scan again and again."""
    logger.warning(text)


def inside(allowed: Sequence[Path], path: Path) -> bool:
    """Whether a file is below one of some folders, with all links followed."""
    return any(path.resolve().is_relative_to(folder.resolve()) for folder in allowed)


def _named_folders(root: Path) -> set[Path]:
    """Folders of the images that ``dataset.yaml`` of a folder names."""
    try:
        samples = Dataset.open(root).samples if dataset_images(root) else []
    except InputError:
        return set()
    return {file.path.parent for sample in samples for file in sample.files.values()}


def _folders(root: Path) -> Iterator[Path]:
    """Give folders from the top, without hidden ones, images, parts of datasets, and links out."""
    level, count = [root], 0
    for _ in range(DEEPEST):
        following = []
        for folder in level:
            count += 1
            if count > MOST_FOLDERS:
                logger.warning(f"only the first {MOST_FOLDERS} folders of {root} are shown")
                return
            yield folder
            reviewed = any((folder / name).is_file() for name in (SESSION_FILE, CORRECTION_FILE))
            if reviewed or (folder / "images").is_dir():
                continue
            following += [
                child
                for child in sorted(folder.iterdir())
                if child.is_dir()
                and child.name[0] not in "._"
                and not child.name.lower().endswith(".zarr")
                and inside([root], child)
            ]
        level = following


def _read_folder(
    allowed: Sequence[Path], folder: Path, name: str
) -> tuple[Collection | None, Layer | None]:
    """Read a folder as a dataset, a result of `predict`, or a folder of images."""
    if dataset_images(folder):
        fields = [
            Field(
                _id("field", name, sample.name),
                sample.name,
                sample.whole_image,
                sample.files.get("stain"),
                sample.split,
            )
            for sample in Dataset.open(folder).samples
            if inside(allowed, sample.image.path)
            and ("stain" not in sample.files or inside(allowed, sample.files["stain"].path))
        ]
        kind = "predictions" if _is_predicted(folder) else "dataset"
        return _collect(folder, name, kind, fields), _read_labels(allowed, folder, name)
    if (folder / "labels").is_dir() and (folder / "record.json").is_file():
        return None, _read_labels(allowed, folder, name)
    if folder.name in ("labels", "ignore", "pictures"):
        return None, None
    try:
        # Whatever else is in the folder is no concern of the app.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SparcellWarning)
            paths = list_images([folder])
    except InputError:
        return None, None
    refs = [ImageRef(path) for path in paths if inside(allowed, path)]
    fields = [Field(_id("field", name, ref.name), ref.name, ref) for ref in refs]
    return _collect(folder, name, "images", fields), None


def _collect(folder: Path, name: str, kind: str, fields: list[Field]) -> Collection | None:
    key = _id("collection", name)
    return Collection(key, name, folder, kind, tuple(fields)) if fields else None


def _read_labels(allowed: Sequence[Path], folder: Path, name: str) -> Layer | None:
    if not (folder / "labels").is_dir():
        return None
    found = {
        field: ref
        for field, image in images_by_name(folder).items()
        if isinstance(image, Path | ImageRef)
        for ref in [ImageRef.of(image)]
        if inside(allowed, ref.path)
    }
    tracked = is_tracked(folder)
    predicted = tracked or _is_predicted(folder)
    key = _id("layer", name)
    return Layer(key, name, folder, predicted, found, tracked) if found else None


def _is_predicted(folder: Path) -> bool:
    return (folder / "counts.csv").exists()


def _id(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf8", "surrogateescape")).hexdigest()[:16]
