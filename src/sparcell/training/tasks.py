"""Tasks of training: to find objects, or to predict an image.

A further kind of result is one more class here, under the name of its `sparcell.methods.task.Task`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sparcell.core.dataset import Sample
from sparcell.evaluation import Groups
from sparcell.methods import METHODS
from sparcell.methods.base import MethodConfig
from sparcell.methods.detections import join
from sparcell.methods.stain.intensities import StainRange
from sparcell.methods.task import IMAGE, INSTANCES
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.data.fields import Fields, TrainingField
from sparcell.training.data.selection import choose_stains, contain_objects
from sparcell.training.data.stain_scaling import Stains
from sparcell.training.file_scores import correlate_files, evaluate_files
from sparcell.training.scoring import MatchCounts, correlate, score_field
from sparcell.training.tuning import object_sizes, tune

if TYPE_CHECKING:
    from sparcell.training.module import SegmentationModule

Parts = dict[str, list[FieldRef]]
"""Fields for training, validation and test."""


class ValidationScore(Protocol):
    """Scores the predictions of validation fields, one after the other."""

    def add(self, field: TrainingField, output: Any) -> None:
        """Score the network's output for a field; it may be padded below and to the right."""

    @property
    def value(self) -> float:
        """The score of all fields so far."""

    @property
    def is_defined(self) -> bool:
        """Whether there was anything to find."""


class ObjectScore:
    """F1 at IoU 0.5 of one-to-one matches, pooled over the fields."""

    def __init__(self, module: SegmentationModule) -> None:
        self.module, self.counts = module, MatchCounts()

    def add(self, field: TrainingField, output: Any) -> None:
        """Decode maps or detections, and match the objects with the field's."""
        height, width = field.labels.shape
        maps = join([output[:, :height, :width]], axis=2)
        objects = self.module.method.decode(maps, self.module.decode_settings)
        self.counts += score_field(field, objects.labels, self.module.recipe.fit.match_within)

    @property
    def value(self) -> float:
        """F1."""
        return self.counts.f1

    @property
    def is_defined(self) -> bool:
        """Whether the fields have objects."""
        return bool(self.counts.objects)


class IntensityScore:
    """Mean correlation of predicted and true intensities over fields and stains."""

    def __init__(self) -> None:
        self.correlations: list[float] = []

    def add(self, field: TrainingField, output: Any) -> None:
        """Correlate (K, Y, X) float32 with the field's stains."""
        self.correlations += correlate(field, output)

    @property
    def value(self) -> float:
        """Mean of Pearson's correlations."""
        return float(np.mean(self.correlations))

    @property
    def is_defined(self) -> bool:
        """Always: every field has intensities."""
        return True


class TrainingTask(ABC):
    """Training, validation and evaluation of one kind of result."""

    def select_fields(self, parts: Parts, config: MethodConfig) -> tuple[Stains | None, Parts]:
        """Measure the fields' targets, where these are images, and leave out unusable ones."""
        return None, parts

    def map_count(self, fields: Fields) -> int | None:
        """Output maps of the network, where the data decides."""
        return None

    @abstractmethod
    def read(self, module: SegmentationModule, outputs: Any, shape: tuple[int, int]) -> Any:
        """Turn the network's outputs for one image of `shape` px into what is scored."""

    @abstractmethod
    def validation_score(self, module: SegmentationModule) -> ValidationScore:
        """Begin to score validation fields."""

    @abstractmethod
    def has_truth(self, places: Sequence[FieldRef]) -> bool:
        """Whether there is anything in fields that predictions can be scored by."""

    @abstractmethod
    def object_sizes(self, fields: Fields) -> tuple[float | None, float | None]:
        """Median area, px, and 99th percentile of the extent, px, of the training objects."""

    def tune(
        self, module: SegmentationModule, fields: Fields, typical_area: float | None
    ) -> tuple[Any, dict[str, float]]:
        """Tune the decoding on validation fields; return the settings and what is recorded."""
        return module.decode_settings, {}

    def intensity_range(self, fields: Fields) -> StainRange | None:
        """Grey values of a predicted image."""
        return None

    def left_out(self, fields: Fields) -> dict[str, Any] | None:
        """Fields that were left out, and why; None where none are measured."""
        return None

    @abstractmethod
    def evaluate(
        self, samples: dict[str, Sample], out: Path, groups: Groups | None, within: float
    ) -> dict[str, Any]:
        """Score predicted files of whole fields; return what the model file says of it.

        Objects are also matched `within` a distance, px, where it is not 0.
        """


class InstanceTraining(TrainingTask):
    """Learning to find objects."""

    def read(self, module: SegmentationModule, outputs: Any, shape: tuple[int, int]) -> Any:
        """Maps as bytes, or detections: what is decoded."""
        return module.read(outputs, shape)

    def validation_score(self, module: SegmentationModule) -> ValidationScore:
        """Match objects."""
        return ObjectScore(module)

    def has_truth(self, places: Sequence[FieldRef]) -> bool:
        """Whether there is any object."""
        return contain_objects(places)

    def object_sizes(self, fields: Fields) -> tuple[float | None, float | None]:
        """See `sparcell.training.tuning.object_sizes`."""
        return object_sizes(fields)

    def tune(
        self, module: SegmentationModule, fields: Fields, typical_area: float | None
    ) -> tuple[Any, dict[str, float]]:
        """See `sparcell.training.tuning.tune`."""
        return tune(module, fields, typical_area)

    def evaluate(
        self, samples: dict[str, Sample], out: Path, groups: Groups | None, within: float
    ) -> dict[str, Any]:
        """Compare label images."""
        return evaluate_files(samples, out, groups, within)


class ImageTraining(TrainingTask):
    """Learning to predict the image of one or several stains."""

    def select_fields(self, parts: Parts, config: MethodConfig) -> tuple[Stains | None, Parts]:
        """See `choose_stains`."""
        return choose_stains(parts, config)  # type: ignore[arg-type]

    def map_count(self, fields: Fields) -> int | None:
        """One map for each stain."""
        return len(_stains(fields).range.names)

    def read(self, module: SegmentationModule, outputs: Any, shape: tuple[int, int]) -> Any:
        """Intensities as float32, (K, Y, X) in 0..1."""
        return module.activate(outputs)[0].float().cpu().numpy()

    def validation_score(self, module: SegmentationModule) -> ValidationScore:
        """Correlate intensities."""
        return IntensityScore()

    def has_truth(self, places: Sequence[FieldRef]) -> bool:
        """Always: fields without a usable stain are left out."""
        return True

    def object_sizes(self, fields: Fields) -> tuple[float | None, float | None]:
        """None: an image has no objects."""
        return None, None

    def intensity_range(self, fields: Fields) -> StainRange | None:
        """Grey values of the training's stains."""
        return _stains(fields).range

    def left_out(self, fields: Fields) -> dict[str, Any] | None:
        """Fields whose stain cannot be used."""
        return dict(_stains(fields).faults)

    def evaluate(
        self, samples: dict[str, Sample], out: Path, groups: Groups | None, within: float
    ) -> dict[str, Any]:
        """Correlate predicted and true images."""
        return correlate_files(samples, out)


def _stains(fields: Fields) -> Stains:
    assert fields.stains is not None
    return fields.stains


TASKS: dict[str, TrainingTask] = {
    INSTANCES.name: InstanceTraining(),
    IMAGE.name: ImageTraining(),
}


def task_of(method: str) -> TrainingTask:
    """The task of a method, given by its name."""
    return TASKS[METHODS[method].task.name]
