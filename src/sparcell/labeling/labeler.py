"""The contract of a labeler: one way to turn stains or points into labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ValidationError

from sparcell.annotations.labelled_dataset import no_pairs
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.progress import track
from sparcell.core.registry import Registry
from sparcell.labeling.contact_sheet import Thumbnail
from sparcell.labeling.quality import QualitySettings
from sparcell.system.processes import mapping_processes, process_count


@dataclass(frozen=True)
class FieldResult:
    """Outcome of one field, or of one crop of it.

    Attributes
    ----------
    row : dict
        Row of ``quality.csv``.
    thumbnail : Thumbnail
        Its picture on the contact sheet.
    failed : bool
        Whether its files could not be used, so that nothing was written.
    """

    row: dict[str, Any]
    thumbnail: Thumbnail
    failed: bool = False


class Labeler(ABC):
    """One way to label the fields of a dataset. A subclass names its class attributes.

    Parameters
    ----------
    settings : BaseModel or mapping, optional
        Of the type `settings_class`, or values by the names of its settings.
    quality : QualitySettings, optional
        Limits of the quality gate, where the labeler has one.
    weights : str
        File of a network, where the labeler takes one.

    Raises
    ------
    InputError
        If it has no such settings, a value is wrong, or it takes neither limits nor weights.

    Attributes
    ----------
    name : str
        What users type, and what rows of ``quality.csv`` say.
    source : {"stain", "points"}
        The files that it starts from.
    settings_class : type
    has_quality_gate, takes_weights : bool
    writes_images : bool
        Whether what it labels are images of its own, not those of the dataset.
    """

    name: ClassVar[str]
    source: ClassVar[Literal["stain", "points"]] = "stain"
    settings_class: ClassVar[type[BaseModel]]
    has_quality_gate: ClassVar[bool] = False
    takes_weights: ClassVar[bool] = False
    writes_images: ClassVar[bool] = False
    settings: Any

    def __init__(
        self,
        settings: BaseModel | Mapping[str, Any] | None = None,
        quality: QualitySettings | None = None,
        weights: str = "",
    ) -> None:
        if quality is not None and not self.has_quality_gate:
            raise InputError(
                f"limits of quality for {self.title()}",
                "none, because these have no quality gate",
                "leave out `quality`",
            )
        if weights and not self.takes_weights:
            raise InputError(
                f"weights {weights} for the preset {self.name}",
                "weights after cellpose: alone",
                "leave them out",
            )
        self.settings = read_settings(type(self), settings)
        self.quality = quality or QualitySettings()
        self.weights = weights

    @classmethod
    def title(cls) -> str:
        """Name in messages."""
        return "labels from points" if cls.source == "points" else f"labels by {cls.name}"

    @classmethod
    def chosen_by(cls) -> str:
        """Parameter of `label` that chooses it, as messages write parameters."""
        return "`source=points`" if cls.source == "points" else f"`preset={cls.name}`"

    @property
    def kind(self) -> str:
        """Folder of the dataset that it writes: ``labels`` or ``points``."""
        return "labels"

    @property
    def own_folder(self) -> tuple[str, str] | None:
        """Its output, and why that needs a folder of its own; None if it needs none."""
        return None

    @property
    def uses_all_cores(self) -> bool:
        """Whether one process of it keeps all cores busy."""
        return False

    def no_fields(self, data: Dataset) -> InputError:
        """Error for a dataset without a field that it can label."""
        return no_pairs(data)

    def check_fields(self, fields: Dataset) -> None:  # noqa: B027
        """Check what it needs of all fields together, before any of them is labelled."""

    @abstractmethod
    def label_field(self, sample: Sample, target: Path) -> Iterable[FieldResult]:
        """Label one field and write its files.

        Parameters
        ----------
        sample : Sample
            With files of the kind `source`.
        target : Path
            Dataset folder to write to.

        Returns
        -------
        iterable of FieldResult
            One, or one for each crop.

        Raises
        ------
        InputError
            If the files of the field cannot be used.
        """

    def finish(
        self, results: Iterable[tuple[Sample, FieldResult]], data: Dataset, target: Path
    ) -> Iterator[FieldResult]:
        """Pass results on as they come; a subclass may compare them first."""
        for _, result in results:
            yield result


LABELERS: Registry[type[Labeler]] = Registry("preset")
LOADED = ("tifffile", "imagecodecs", "sparcell.labeling.crops", __name__)
"""Modules whose loading takes as long as labelling some fields."""
MEMORY_EACH = 1 << 30
"""Bytes that a process may need; half of that was measured on planes of 4 million pixels."""


def read_settings(
    labeler: type[Labeler], settings: BaseModel | Mapping[str, Any] | None
) -> BaseModel:
    """Return the settings of a labeler from an instance of their class, or from values by name.

    Raises
    ------
    InputError
        If they are of another class, one is unknown, or a value is wrong.
    """
    settings_class = labeler.settings_class
    if isinstance(settings, settings_class):
        return settings
    if isinstance(settings, BaseModel):
        raise InputError(
            f"{type(settings).__name__} for {labeler.title()}",
            settings_class.__name__,
            "give these",
        )
    values = dict(settings or {})
    if unknown := [key for key in values if key not in settings_class.model_fields]:
        name = unknown[0]
        takers = [LABELERS[one] for one in LABELERS if name in _names(LABELERS[one])]
        if not takers:
            expected, fix = "one of the settings " + ", ".join(_names(labeler)), "correct it"
        else:
            expected = "this setting for " + " or ".join(one.title() for one in takers)
            fix = "leave it out, or add " + " or ".join(one.chosen_by() for one in takers)
        raise InputError(f"`{name}={values[name]}` for {labeler.title()}", expected, fix)
    try:
        return settings_class(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"`{first['loc'][0]}={first['input']}`",
            first["msg"].removeprefix("Input should be "),
            "correct it",
        ) from error


def _names(labeler: type[Labeler]) -> list[str]:
    return list(labeler.settings_class.model_fields)


def label_fields(
    labeler: Labeler, fields: Dataset, target: Path, workers: int = 1
) -> Generator[tuple[Sample, FieldResult]]:
    """Label all fields, in several processes; results are in the order of the fields.

    A field that fails has a row that says why, and the others go on.

    Parameters
    ----------
    labeler : Labeler
    fields : Dataset
    target : Path
        Dataset folder to write to.
    workers : int
        Processes; see `process_count`.
    """
    if not workers and labeler.uses_all_cores:
        workers = 1
    count = process_count(workers, len(fields), MEMORY_EACH)
    with mapping_processes(count, LOADED) as map_jobs:
        found = map_jobs(partial(_label_field, labeler, target), fields.samples)
        pairs = zip(fields.samples, found, strict=True)
        for sample, results in track(pairs, "labelling", len(fields), "images"):
            for result in results:
                yield sample, result


def _label_field(labeler: Labeler, target: Path, sample: Sample) -> list[FieldResult]:
    """Label one field; the last result says why, if that fails."""
    results: list[FieldResult] = []
    try:
        for result in labeler.label_field(sample, target):
            results.append(result)
    except Exception as error:
        results.append(_failed(sample, labeler.name, error))
    return results


def _failed(sample: Sample, preset: str, error: Exception) -> FieldResult:
    message = " ".join(str(error).split())
    if not isinstance(error, InputError):
        message = f"a fault of Sparcell's, {type(error).__name__} {message}"
    reason = f"unusable: {message}"
    row = {"name": sample.name, "accepted": False, "reason": reason, "preset": preset}
    return FieldResult(row, Thumbnail(sample.name, reason), failed=True)
