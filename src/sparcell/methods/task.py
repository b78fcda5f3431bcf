"""The kinds of results that models predict."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A kind of result, and what follows from it whatever the method.

    What the layers above do differently for a task is in one object of each layer, found by the
    task's name: `sparcell.prediction.tasks`, `sparcell.training.tasks`, `sparcell.reports.tasks`.

    Attributes
    ----------
    name : str
    result : str
        In words.
    truth : str
        Kind of a dataset's files that predictions are compared with.
    score, score_title : str
        Of validation fields: its column in ``metrics.csv``, and its name.
    finds_objects : bool
        Whether the network's output is decoded into objects.
    """

    name: str
    result: str
    truth: str
    score: str
    score_title: str
    finds_objects: bool


INSTANCES = Task("instances", "objects", "labels", "val_f1", "F1", finds_objects=True)
IMAGE = Task("image", "an image", "stain", "val_pcc", "correlation", finds_objects=False)
