"""Fields of view in memory: normalised image, labels, and where the labels can be trusted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.annotation import Annotation, Kind
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.excerpt import WHOLE, Excerpt
from sparcell.core.image import Plane
from sparcell.core.labels import Labels, connected_labels
from sparcell.core.progress import say
from sparcell.io import open_alike, open_sample
from sparcell.labeling.folder import no_pairs
from sparcell.labeling.known import read_annotation
from sparcell.methods.stain.config import StainConfig
from sparcell.models.normalise import Normalise, Scaling
from sparcell.training.annotations import (
    auto_samples,
    check_fields,
    count_channels,
    sort_samples,
    tell_annotations,
    tell_left_out,
)
from sparcell.training.recipe import DataConfig
from sparcell.training.stains import Spot, Stains, add_stains, measure_stains

CACHE_BYTES = 4 << 30


class Field(NamedTuple):
    """One field of view.

    Attributes
    ----------
    name : str
    image : (C, Y, X) float32
        Normalised.
    labels : (Y, X) int32
        Under the label contract.
    valid : (Y, X) bool
        False where the labels are in doubt.
    centres : (n, 2) float
        Row and column of each object's centre of mass, px.
    stain : (K, Y, X) float32, optional
        Its stains as `Stains` scales them; read for methods that learn from them.
    points, mask, annotation
        As in `Annotation`; read for methods that learn from any annotation. `labels` may be there
        for validation where ``"outlines"`` is not in `annotation`.
    """

    name: str
    image: NDArray[np.float32]
    labels: Labels
    valid: NDArray[np.bool_]
    centres: NDArray[np.float64]
    stain: NDArray[np.float32] | None = None
    points: NDArray[np.float32] | None = None
    mask: NDArray[np.bool_] | None = None
    annotation: frozenset[Kind] = frozenset()

    def truth(self, kind: str) -> Any:
        """What a method that learns from `kind` is taught.

        Labels (Y, X), stains (K, Y, X), or of "any" an `Annotation`.
        """
        if kind == "any":
            labels = self.labels if "outlines" in self.annotation else None
            return Annotation(self.annotation, labels, self.points, self.mask)
        return self.labels if kind == "labels" or self.stain is None else self.stain

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return sum(part.nbytes for part in self if isinstance(part, np.ndarray))


@dataclass(frozen=True)
class FieldPlace:
    """Where a field comes from: a plane of a sample, or the columns `x` of one.

    `kinds` are the annotations to use, for methods that learn from any.
    """

    sample: Sample
    plane: Plane
    x: slice = field(default_factory=lambda: slice(None))
    kinds: frozenset[Kind] = frozenset()

    @property
    def name(self) -> str:
        """Sample name, with the plane where there are several."""
        return self.sample.name + (f"_t{self.plane.t}z{self.plane.z}" if any(self.plane) else "")


class Fields(Sequence[Field]):
    """Fields read when first needed and kept while they fit into `CACHE_BYTES`.

    The first `outlined` of them are labelled by hand, or by whatever stands for that; the rest,
    from `auto` on, by `sparcell label` beside them.
    """

    def __init__(
        self,
        places: Sequence[FieldPlace],
        normalise: Normalise,
        frames: int = 1,
        auto: Sequence[FieldPlace] = (),
        stains: Stains | None = None,
    ) -> None:
        self.places, self.normalise = [*places, *auto], normalise
        self.frames, self.stains = frames, stains
        self.outlined = len(places)
        self._kept: OrderedDict[int, Field] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.places)

    def __deepcopy__(self, memo: object) -> Fields:
        """Stay one where a network is copied with what it is judged on: images are only read."""
        return self

    def draw(self, rng: np.random.Generator, auto_worth: float) -> int:
        """Draw a field; those with automatic labels count as `auto_worth` outlined ones."""
        auto = len(self) - self.outlined
        if auto and rng.random() < auto_worth / (auto_worth + self.outlined):
            return self.outlined + int(rng.integers(auto))
        return int(rng.integers(self.outlined))

    def read_ahead(self) -> None:
        """Read the fields whose points stand alone, as many as are kept in memory.

        Only the image tells whether y and x of their tables are exchanged, and a training should
        not end in its midst for that.
        """
        for index, place in enumerate(self.places):
            if "points" in place.kinds and not {"outlines", "mask", "stain"} & place.kinds:
                size = self[index].nbytes
                if self._bytes + size > CACHE_BYTES:
                    return

    @cached_property
    def area(self) -> int:
        """Pixels of all fields together; opens the images without reading them."""
        shapes = [(open_sample(place.sample).shape, place.x) for place in self.places]
        return sum(height * len(range(width)[x]) for (height, width), x in shapes)

    def __getitem__(self, index: int) -> Field:  # type: ignore[override]
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        held = read_field(self.places[index], self.normalise, self.stains, self.frames)
        self._kept[index] = held
        self._bytes += held.nbytes
        while self._bytes > CACHE_BYTES and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._bytes -= old.nbytes
        return held


def read_field(
    place: FieldPlace, normalise: Normalise, stains: Stains | None = None, frames: int = 1
) -> Field:
    """Read one field, with its stains where asked, with the frames before it where there are some.

    Raises
    ------
    InputError
        If image, labels, stain and ignore mask differ in size, one cannot be used, or a movie is
        shorter than `frames`.
    """
    image = open_sample(place.sample).with_frames(frames)
    everything = (slice(None), slice(None))
    pixels = Scaling.measure(image, normalise, place.plane)(image.read(*everything, place.plane))
    labels = np.zeros(image.shape, np.int32)
    if "labels" in place.sample.files:
        labels = open_alike(place.sample, "labels", image).read_ids(plane=place.plane)
    valid = np.ones(labels.shape, bool)
    if "ignore" in place.sample.files:
        valid = open_alike(place.sample, "ignore", image).read_ids(plane=place.plane) == 0
    labels = connected_labels(labels[:, place.x])
    centres = ndimage.center_of_mass(labels > 0, labels, np.arange(1, labels.max(initial=0) + 1))
    known = read_annotation(place.sample, place.kinds, image, labels, place.plane, place.x)
    return Field(
        name=place.name,
        image=np.ascontiguousarray(pixels[:, :, place.x]),
        labels=labels,
        valid=valid[:, place.x],
        centres=np.asarray(known.points if known.kinds else centres, np.float64).reshape(-1, 2),
        stain=None if stains is None else _read_stains(place, stains),
        points=known.points,
        mask=known.mask,
        annotation=known.kinds,
    )


def _read_stains(place: FieldPlace, stains: Stains) -> NDArray[np.float32]:
    scaled = stains.read(_spot(place))
    return np.ascontiguousarray(scaled[:, :, place.x])


def _spot(place: FieldPlace) -> Spot:
    return Spot(place.sample, open_sample(place.sample), place.plane)


def choose_stains(
    places: dict[str, list[FieldPlace]], config: StainConfig
) -> tuple[Stains, dict[str, list[FieldPlace]]]:
    """Measure the stains of all fields, and leave out, with its reason, what cannot be used.

    Raises
    ------
    InputError
        If fields differ in their stains, or none is left of a part.
    """
    spots = {part: [_spot(place) for place in held] for part, held in places.items()}
    stains = measure_stains(spots["train"], spots["val"] + spots["test"], config)
    left: dict[str, list[FieldPlace]] = {part: [] for part in places}
    for part, held in places.items():
        for place, spot in zip(held, spots[part], strict=True):
            if fault := stains.levels[spot.key].fault:
                say(f"left out, stain of {place.name} {fault}")
            else:
                left[part].append(place)
    if not left["val"]:
        raise InputError(
            "no validation field with a usable stain", "one or more", "mark others val in split.csv"
        )
    return stains, left


def open_datasets(roots: Sequence[Path], config: DataConfig) -> list[Dataset]:
    """Open dataset folders, with labels where the settings or else the folders say, if any.

    Raises
    ------
    InputError
        If one is no dataset, or lacks the folder of labels that the settings name.
    """
    said = config.labels != DataConfig.model_fields["labels"].default
    folders = {"labels": config.labels} if said else {}
    return [add_stains(Dataset.open(root, **folders), config.stains) for root in roots]


def find_fields(
    datasets: Sequence[Dataset], config: DataConfig, seed: int, learns_from: str = "labels"
) -> dict[str, list[FieldPlace]]:
    """Sort the fields of all datasets that have what is learned from into train, val and test.

    Where no field is marked ``val``, `config.val_fraction` of the training fields is drawn; of a
    single field the right part is kept for validation.

    Raises
    ------
    InputError
        If no labelled field is left to train on, files of one do not fit each other, or no field
        has an object.
    """
    places: dict[str, list[FieldPlace]] = {"train": [], "val": [], "test": []}
    wanted = {name: part for part, names in (config.parts or {}).items() for name in names}
    found = sort_samples(datasets, config, learns_from)
    tell_left_out(found, config, learns_from)
    for sample, kinds in found.usable:
        part = wanted.pop(sample.name, "") if config.parts else sample.split or "train"
        if part:
            planes = open_sample(sample).planes()
            places[part] += [FieldPlace(sample, plane, kinds=kinds) for plane in planes]
    if wanted:
        raise InputError(
            f"no labelled field {next(iter(wanted))} in the data",
            "the names of data.parts",
            "check the names and the dataset folder",
        )
    if not places["train"]:
        if learns_from == "stain" and not any(d.having("stain").samples for d in datasets):
            raise no_pairs(datasets[0])
        what = "outlines, points or a stain" if learns_from == "any" else learns_from
        first = "mark some train" if learns_from == "stain" else "run `sparcell label` first"
        raise InputError(
            f"no training field with {what} in " + ", ".join(str(d.root) for d in datasets),
            f"images with {what}",
            f"{first}, or check split.csv and data.where",
        )
    if not places["val"]:
        places["train"], places["val"] = _hold_out(places["train"], config.val_fraction, seed)
        alone = any(place.x != slice(None) for place in places["val"])
        kept = "the right part of the only field" if alone else str(len(places["val"]))
        say(f"no field is marked val: {kept} kept for validation")
    places["train"] = _subset(places["train"], config, seed)
    tell_annotations(places["train"])
    check_fields(places["val"] + places["test"])
    if not check_fields(places["train"]):
        raise InputError(
            f"no point in any of {len(places['train'])} training fields",
            "a place in each cell",
            "add points, or fields with some",
        )
    return places


def find_auto(config: DataConfig, places: dict[str, list[FieldPlace]]) -> list[FieldPlace]:
    """Find the fields with automatic labels that may be trained on beside those of `places`.

    A field is left out that is outlined, validated or tested on, or that the quality gate refused.

    Raises
    ------
    InputError
        If the folder holds no dataset, none of its fields is left, or one cannot be used.
    """
    if not config.auto:
        return []
    taken = {place.sample.name for part in places.values() for place in part}
    found = [
        FieldPlace(sample, plane, kinds=frozenset({"outlines"}))
        for sample in auto_samples(config)
        if sample.name not in taken
        for plane in open_sample(sample).planes()
    ]
    if not found:
        raise InputError(
            f"no further training field with labels in {config.auto}",
            "a dataset folder that `sparcell label` wrote",
            "set data.auto to it, or to nothing",
        )
    check_fields(found)
    say(f"{len(found)} fields with automatic labels")
    return found


def nested_order(names: Sequence[str], seed: int) -> list[str]:
    """Shuffle names, so that the first n of a seed are among its first n + 1.

    A smaller training set is thus contained in a larger one (single-cell thesis, 2.1).
    """
    ordered = sorted(names)
    return [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]


def _subset(places: list[FieldPlace], config: DataConfig, seed: int) -> list[FieldPlace]:
    """Keep the first samples of a shuffled order; all planes of a sample stay together."""
    names = {place.sample.name for place in places}
    count = config.images or max(1, round(len(names) * config.fraction))
    if count > len(names):
        raise InputError(
            f"{len(names)} training fields",
            f"{count}, as data.images says",
            "lower data.images or label more fields",
        )
    kept = set(nested_order(sorted(names), seed)[:count])
    return [place for place in places if place.sample.name in kept]


def _hold_out(
    places: list[FieldPlace], fraction: float, seed: int
) -> tuple[list[FieldPlace], list[FieldPlace]]:
    """Split off validation fields; all planes of a sample stay together."""
    names = sorted({place.sample.name for place in places})
    if len(names) == 1:
        width = open_sample(places[0].sample).size("X")
        at = max(1, min(width - 1, round(width * (1 - fraction))))
        left = [replace(place, x=slice(0, at)) for place in places]
        return left, [replace(place, x=slice(at, None)) for place in places]
    order = np.random.default_rng(seed).permutation(len(names))
    held = {names[i] for i in order[: max(1, round(len(names) * fraction))]}
    return (
        [place for place in places if place.sample.name not in held],
        [place for place in places if place.sample.name in held],
    )


def check_channels(places: Sequence[FieldPlace], frames: int = 1) -> tuple[int, float | None]:
    """Return the number of channels (of a frame) and the pixel size that all fields share.

    Raises
    ------
    InputError
        If the fields differ in their number of channels or in what of their files counts, or a
        movie is shorter than `frames`.
    """
    share_excerpt(places)
    samples = {place.sample.name: place.sample for place in places}
    images = [open_sample(sample) for sample in samples.values()]
    channels = count_channels(images)
    for image in images:
        image.with_frames(frames)
    sizes = {round(image.pixel_size, 6) for image in images if image.pixel_size}
    if len(sizes) > 1:
        say(f"images of different pixel sizes: {min(sizes):g} to {max(sizes):g} um")
    return channels, float(np.median(list(sizes))) if sizes else None


def share_excerpt(places: Sequence[FieldPlace]) -> Excerpt:
    """Return what of the image files counts, for the model to choose the same of others.

    Files of which everything counts may be among them.

    Raises
    ------
    InputError
        If two datasets choose differently.
    """
    chosen = {
        part: place.sample.image.parent
        for place in places
        if (part := place.sample.excerpts.get("images", WHOLE)) != WHOLE
    }
    if len(chosen) > 1:
        (first, a), (second, b) = list(chosen.items())[:2]
        raise InputError(
            f"{first} of the images in {a} but {second} in {b}",
            "the same in the dataset.yaml of all",
            "correct one of them, or train on each apart",
        )
    return next(iter(chosen), WHOLE)
