"""Tasks of prediction: to find objects, or to predict an image.

All else is the same for all models: reading, tiling, resuming, distributing the work. A further
kind of result is one more class here, under the name of its `sparcell.methods.task.Task`.
"""

from __future__ import annotations

from sparcell.methods.task import IMAGE, INSTANCES
from sparcell.models.model import Model
from sparcell.prediction.tasks.find_objects import InstanceTask
from sparcell.prediction.tasks.predict_image import ImageTask
from sparcell.prediction.tasks.task import PredictionTask, TaskResults

__all__ = ["TASKS", "ImageTask", "InstanceTask", "PredictionTask", "TaskResults", "task_of"]

TASKS: dict[str, PredictionTask] = {INSTANCES.name: InstanceTask(), IMAGE.name: ImageTask()}


def task_of(model: Model) -> PredictionTask:
    """The task of a model."""
    return TASKS[model.method.task.name]
