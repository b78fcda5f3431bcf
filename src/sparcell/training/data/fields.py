"""Fields of view in memory: normalised image, labels, and where the labels can be trusted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.annotations.resolve import read_annotation
from sparcell.core.annotation import Annotation, Kind
from sparcell.core.image import Image, Plane
from sparcell.core.labels import Labels, connected_labels
from sparcell.io import open_aligned, open_sample
from sparcell.measurement.counts import median_diameter
from sparcell.prediction.found_size import LARGE
from sparcell.preprocessing.normalise import Normalise, Scaling
from sparcell.training.data.enlarging import enlarge
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.data.stain_scaling import Stains

CACHE_BYTES = 4 << 30
SIZED_FIELDS = 200
"""Most fields that objects are measured in."""


class TrainingField(NamedTuple):
    """One field of view.

    Attributes
    ----------
    name : str
    image : (C, Y, X) float32
        Normalised.
    labels : (Y, X) int32
        Under the label contract.
    valid : (Y, X) bool
        False in ignored pixels.
    centres : (n, 2) float
        Row and column of each object's centre of mass, px.
    stain : (K, Y, X) float32, optional
        Its stains as `Stains` scales them; read for methods that learn from them.
    points, mask, annotation
        As in `Annotation`; read for methods that learn from any annotation. `labels` may be there
        for validation where ``"outlines"`` is not in `annotation`.
    earlier_labels, earlier_valid : (frames - 1, Y, X), optional
        `labels` and `valid` of the frames before; read where every frame is learned from.
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
    earlier_labels: NDArray[np.int32] | None = None
    earlier_valid: NDArray[np.bool_] | None = None

    @property
    def earlier(self) -> list[TrainingField]:
        """The frames before this one, oldest first, where every frame is learned from.

        Their image is the whole of this field's, all frames together.
        """
        if self.earlier_labels is None or self.earlier_valid is None:
            return []
        before = zip(self.earlier_labels, self.earlier_valid, strict=True)
        return [self._replace(labels=labels, valid=valid) for labels, valid in before]

    def truth(self, kind: str) -> Any:
        """Ground truth of the field for a method that learns from `kind`.

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


class Fields(Sequence[TrainingField]):
    """Fields that are read when needed, with a cache of up to `CACHE_BYTES`.

    The first `outlined` of them come from the dataset; the rest have automatic labels. Where their
    objects are smaller than `diameter` px, they are enlarged, see `enlarge`.
    """

    def __init__(
        self,
        places: Sequence[FieldRef],
        normalise: Normalise,
        frames: int = 1,
        auto: Sequence[FieldRef] = (),
        stains: Stains | None = None,
        every_frame: bool = False,
        diameter: float = 0.0,
    ) -> None:
        self.places, self.normalise, self.diameter = [*places, *auto], normalise, diameter
        self.frames, self.stains, self.every_frame = frames, stains, every_frame
        self.outlined = len(places)
        self._cached: OrderedDict[int, TrainingField] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.places)

    def __deepcopy__(self, memo: object) -> Fields:
        """Return itself: copies of a module share its validation fields, which do not change."""
        return self

    def draw(self, rng: np.random.Generator, auto_weight: float) -> int:
        """Draw the index of a field; automatic labels together count as `auto_weight` fields."""
        auto = len(self) - self.outlined
        if auto and rng.random() < auto_weight / (auto_weight + self.outlined):
            return self.outlined + int(rng.integers(auto))
        return int(rng.integers(self.outlined))

    def read_ahead(self) -> None:
        """Read the fields with points only, as many as fit into the cache.

        Their check for exchanged y and x needs the image; an error should come before training.
        """
        for index, place in enumerate(self.places):
            if "points" in place.kinds and not {"outlines", "mask", "stain"} & place.kinds:
                size = self[index].nbytes
                if self._bytes + size > CACHE_BYTES:
                    return

    @cached_property
    def shapes(self) -> list[tuple[int, int]]:
        """Rows and columns of each field; opens the images, and reads them only to enlarge them."""
        if self.diameter:
            return [(len(field.labels), field.labels.shape[1]) for field in self]
        images = [(open_sample(place.sample).shape, place.x) for place in self.places]
        return [(height, len(range(width)[x])) for (height, width), x in images]

    @property
    def area(self) -> int:
        """Pixels of all fields together."""
        return sum(height * width for height, width in self.shapes)

    def __getitem__(self, index: int) -> TrainingField:  # type: ignore[override]
        if index in self._cached:
            self._cached.move_to_end(index)
            return self._cached[index]
        place = self.places[index]
        field = read_field(place, self.normalise, self.stains, self.frames)
        if self.every_frame:
            field = add_earlier(field, place, self.frames)
        if self.diameter:
            field = enlarge(field, self.diameter)
        self._cached[index] = field
        self._bytes += field.nbytes
        while self._bytes > CACHE_BYTES and len(self._cached) > 1:
            _, old = self._cached.popitem(last=False)
            self._bytes -= old.nbytes
        return field


def learned_diameter(places: Sequence[FieldRef], wanted: float) -> float:
    """Diameter of the objects in the size in which they are learned from and predicted, px.

    Parameters
    ----------
    places : sequence of FieldRef
        Training fields.
    wanted : float
        That of the start, px; 0: no field is enlarged.

    Returns
    -------
    float
        `wanted`. Where the objects are much larger, their median diameter: otherwise `predict`
        would take them for objects of another size, and reduce them.
    """
    if not wanted:
        return 0.0
    areas = [
        np.bincount(_read_labels(place, open_sample(place.sample), place.plane)[0].ravel())[1:]
        for place in places[:SIZED_FIELDS]
    ]
    found = median_diameter(np.concatenate([some[some > 0] for some in areas]))
    return found if found > LARGE * wanted else wanted


def read_field(
    place: FieldRef, normalise: Normalise, stains: Stains | None = None, frames: int = 1
) -> TrainingField:
    """Read one field, with its stains where asked, with the frames before it where there are some.

    Raises
    ------
    InputError
        If image, labels, stain and ignore mask differ in size, one cannot be used, or a movie is
        shorter than `frames`.
    """
    image = open_sample(place.sample).with_temporal_context(frames)
    everything = (slice(None), slice(None))
    pixels = Scaling.measure(image, normalise, place.plane)(image.read(*everything, place.plane))
    labels, valid = _read_labels(place, image, place.plane)
    centres = ndimage.center_of_mass(labels > 0, labels, np.arange(1, labels.max(initial=0) + 1))
    known = read_annotation(place.sample, place.kinds, image, labels, place.plane, place.x)
    return TrainingField(
        name=place.name,
        image=np.ascontiguousarray(pixels[:, :, place.x]),
        labels=labels,
        valid=valid,
        centres=np.asarray(known.points if known.kinds else centres, np.float64).reshape(-1, 2),
        stain=None if stains is None else _read_stains(place, stains),
        points=known.points,
        mask=known.mask,
        annotation=known.kinds,
    )


def add_earlier(field: TrainingField, place: FieldRef, frames: int) -> TrainingField:
    """Add labels and valid masks of the frames before; the first frame repeats itself.

    Raises
    ------
    InputError
        As `read_field`.
    """
    image = open_sample(place.sample).with_temporal_context(frames)
    last = place.plane
    times = [max(last.t - back, 0) for back in reversed(range(1, frames))]
    before = [_read_labels(place, image, last._replace(t=t)) for t in times]
    labels, valid = (np.stack(part) for part in zip(*before, strict=True))
    return field._replace(earlier_labels=labels, earlier_valid=valid)


def _read_labels(place: FieldRef, image: Image, plane: Plane) -> tuple[Labels, NDArray[np.bool_]]:
    """Read labels and valid mask of one plane; none, and everything, where there are no files."""
    labels = np.zeros(image.shape, np.int32)
    if "labels" in place.sample.files:
        labels = open_aligned(place.sample, "labels", image).read_labels(plane=plane)
    valid = np.ones(labels.shape, bool)
    if "ignore" in place.sample.files:
        valid = open_aligned(place.sample, "ignore", image).read_labels(plane=plane) == 0
    return connected_labels(labels[:, place.x]), valid[:, place.x]


def _read_stains(place: FieldRef, stains: Stains) -> NDArray[np.float32]:
    scaled = stains.read(place.plane_ref())
    return np.ascontiguousarray(scaled[:, :, place.x])
