"""What a training step and a prediction of LACSS cost, against the number of cells.

Simulated fields of one size hold 0 to 1000 cells. A step is forward, loss and backward with the
optimiser's update, batch 1, 256 x 256 px, with outlines and with points and a mask. A prediction is
the exported network on a window of 1024 x 1024 px and the assembly of its detections. Processor
seconds of one thread: medians, and of a window the network's and the assembly's apart. The row
that others are compared with is 100 cells.

    python benchmarks/lacss_step.py [-o lacss_step.csv] [--encoder tf_efficientnet_lite0]
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sparcell.annotations.derive import find_points
from sparcell.core.annotation import Annotation
from sparcell.core.labels import Labels, connected_labels
from sparcell.methods import LACSS
from sparcell.methods.lacss.assemble import assemble
from sparcell.methods.lacss.locations import grid_locations
from sparcell.models.runtime import RUNTIMES
from sparcell.training.export import export_onnx
from sparcell.training.recipe import load_recipe

CELLS = (0, 10, 100, 1000)
STEP_EDGE, WINDOW_EDGE = 256, 1024
REPEATS = 5


def scatter(cells: int, edge: int) -> Labels:
    """Draw so many discs on a jittered grid, as large as fits."""
    labels = np.zeros((edge, edge), np.int32)
    if not cells:
        return labels
    rng = np.random.default_rng(cells)
    across = int(np.ceil(np.sqrt(cells)))
    pitch = edge / across
    radius = min(0.35 * pitch, 12)
    y, x = np.indices(labels.shape)
    for number in range(cells):
        middle = (np.array(divmod(number, across)) + 0.5) * pitch + rng.uniform(
            -0.1, 0.1, 2
        ) * pitch
        low = np.maximum((middle - radius).astype(int), 0)
        part = tuple(slice(start, start + int(2 * radius) + 3) for start in low)
        near = (y[part] - middle[0]) ** 2 + (x[part] - middle[1]) ** 2 <= radius**2
        labels[part][near] = number + 1
    return connected_labels(labels)


def median_seconds(work: Callable[[], object]) -> float:
    """Processor seconds of `work`, the first call left out."""
    work()
    spent = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return statistics.median(spent)


def time_steps(network: torch.nn.Module, config: object) -> list[dict[str, object]]:
    """Time a step with outlines and with points and a mask, for each number of cells."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-6)
    objective = LACSS.objective()
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.normal(size=(1, 1, STEP_EDGE, STEP_EDGE)).astype(np.float32))
    image = image.to(memory_format=torch.channels_last)
    valid = torch.ones(1, 1, STEP_EDGE, STEP_EDGE)
    rows: list[dict[str, object]] = []
    for cells in CELLS:
        labels = scatter(cells, STEP_EDGE)
        points, mask = find_points(labels), labels > 0
        for what, outlines in (("outlines", labels), ("points and mask", None)):
            known = Annotation(labels=outlines, points=points, mask=mask)
            target = torch.from_numpy(LACSS.targets(known, config))[None]

            def step(target: torch.Tensor = target) -> None:
                optimiser.zero_grad()
                objective(network(image), target, valid, config).backward()
                optimiser.step()

            seconds = median_seconds(step)
            rows.append({"what": f"step, {what}", "cells": cells, "cpu_seconds": seconds})
            print(f"step with {what}, {cells} cells: {seconds:.3f} CPU s", flush=True)
    return rows


def time_predictions(network: torch.nn.Module, config: object) -> list[dict[str, object]]:
    """Time network and assembly on a window; proposals are put where the cells would be."""
    rng = np.random.default_rng(0)
    window = rng.normal(size=(1, WINDOW_EDGE, WINDOW_EDGE)).astype(np.float32)
    activate = LACSS.activate()
    onnx, _ = export_onnx(
        network, window[:, :256, :256], lambda given: activate(given, config), LACSS.output
    )
    rows: list[dict[str, object]] = []
    engine = RUNTIMES["openvino"](onnx, 1)
    seconds = median_seconds(lambda: engine(window))
    said = engine(window)
    print(f"network, 1 Mpx: {seconds:.3f} CPU s", flush=True)
    rows.append({"what": "network, 1 Mpx", "cells": "any", "cpu_seconds": seconds})
    for cells in CELLS:
        held = [propose(said[0], cells), *said[1:]]
        seconds = median_seconds(lambda held=held: assemble(held))
        found = len(assemble(held)[1])
        print(f"assembly of {found} of {cells} cells: {seconds:.3f} CPU s", flush=True)
        rows.append({"what": "assembly, 1 Mpx", "cells": cells, "cpu_seconds": seconds})
    return rows


def propose(like: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """Make proposals (3, h, w) that name so many places, evenly spread."""
    proposals = np.zeros_like(like)
    stride = WINDOW_EDGE // like.shape[1]
    middles = find_points(scatter(cells, WINDOW_EDGE))
    grid = grid_locations((like.shape[1], like.shape[2]), stride)
    y, x = (middles // stride).astype(int).T
    proposals[0, y, x] = 0.9
    proposals[1:, y, x] = ((middles - grid[y, x]) / stride).T
    return proposals


def main() -> None:
    """Time both and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("-o", type=Path, default=Path("lacss_step.csv"))
    options.add_argument("--encoder", default="tf_efficientnet_lite0")
    given = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    recipe = load_recipe(
        "points-light", [f"network.encoder={given.encoder}", "network.weights=none"]
    )
    network, _ = LACSS.build(recipe.network, 1, recipe.method)
    network.to(memory_format=torch.channels_last)
    rows = time_steps(network, recipe.method) + time_predictions(network, recipe.method)
    with given.o.open("w", newline="") as stream:
        table = csv.DictWriter(stream, ["what", "cells", "cpu_seconds"])
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
