"""Datasets that simulated experts make: corrections in two orders, and outlines from scratch."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.core.files import write_json
from sparcell.core.labels import Labels
from sparcell.io import open_image, write_image
from sparcell.review import Correction, Queued, export_corrections, open_correction
from sparcell.review.order import rank
from sparcell.review.queue import order_queue
from sparcell.studies.simulated_expert import SECONDS, SimulatedExpert

UNCERTAINTY, RANDOM, OUTLINES = "uncertainty", "random", "outlines"
ARMS = (UNCERTAINTY, RANDOM, OUTLINES)


def annotate(
    arm: str,
    seed: int,
    correction: Correction,
    truth: dict[str, Labels],
    folder: Path,
    verdicts: Sequence[int],
    mistakes: float,
    confident: float | None,
    seconds: dict[int, float],
) -> Iterator[tuple[int, Path, dict[str, Any]]]:
    """Give the dataset after each number of verdicts, with the work that it took.

    Parameters
    ----------
    arm : str
        One of `ARMS`.
    seed : int
        Of the order, and of the mistakes.
    correction : Correction
    truth : dict
        Image to its true labels.
    folder : Path
        Gets a dataset for each number of verdicts, ``N/data``. Those that are there are kept.
    verdicts : sequence of int
        Ascending.
    mistakes : float
        Share of wrong verdicts.
    confident : float, optional
        See `sparcell.review.export_corrections`.
    seconds : dict
        Number of verdicts to the time that they took in the order by uncertainty: it is written
        there, and read for the outlines from scratch.
    """
    if arm == OUTLINES:
        for number in verdicts:
            data = folder / str(number) / "data"
            # Without any outline there is nothing to learn from.
            count = max(1, int(seconds[number] // SECONDS["redraw"]))
            count = draw_from_scratch(correction, truth, count, seed, data)
            yield number, data, {"seconds": count * SECONDS["redraw"]}
        return
    copy = folder / "correction"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(correction.root, copy)
    # The copy lies a folder deeper, so its dataset is named anew.
    dataset = str(correction.dataset_root.resolve())
    content = open_correction(copy).model_copy(update={"dataset": dataset})
    write_json(copy / "correction.json", content.model_dump(mode="json"))
    own = open_correction(copy)
    expert = SimulatedExpert(own, truth, seed, mistakes)
    queue = order_of(arm, own.queue, seed)
    for number in verdicts:
        expert.judge(queue, number)
        data = folder / str(number) / "data"
        if not data.exists():
            export_corrections(own, data, confident)
        facts = vars(expert.tally).copy()
        if arm == UNCERTAINTY:
            seconds[number] = facts["seconds"]
        yield number, data, facts


def order_of(arm: str, queue: Sequence[Queued], seed: int) -> list[Queued]:
    """Order objects by uncertainty, with random probes, or at random."""
    plain = [one._replace(probe=False) for one in queue]
    if arm == UNCERTAINTY:
        return order_queue(plain, seed)
    # Candidates exist only where views are compared, which a random order does not need.
    objects = [one for one in plain if not one.candidate]
    return sorted(objects, key=lambda one: rank(seed, "random", one.field, one.object))


def draw_from_scratch(
    correction: Correction, truth: dict[str, Labels], count: int, seed: int, out: Path
) -> int:
    """Write a dataset of outlines that were drawn image after image, and return their number.

    In the last image, objects for which there was no time are ignored.
    """
    left = count
    shutil.rmtree(out, ignore_errors=True)
    for name in sorted(truth, key=lambda name: rank(seed, "outlines", name)):
        if left <= 0:
            break
        labels = truth[name]
        total = int(labels.max(initial=0))
        done = min(total, left)
        left -= done
        image = open_image(correction.sample(name).image)
        write_image(out / "images" / f"{name}.tif", image.read(), "CYX")
        write_image(out / "labels" / f"{name}.tif", np.where(labels <= done, labels, 0), "YX",
                    labels=True)  # fmt: skip
        if done < total:
            ignored = (labels > done).astype(np.uint8)
            write_image(out / "ignore" / f"{name}.tif", ignored, "YX")
    return count - left
