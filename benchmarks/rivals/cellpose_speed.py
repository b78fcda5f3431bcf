"""Cellpose 3 on one image, whenever `speed.py` asks.

    python cellpose_speed.py IMAGE.npy --threads 2 [--run RUN | --diameter 20]

RUN is a folder of `cellpose_train.py`, whose thresholds and factor of resizing are used. Without it
the network has random weights, and objects of the diameter (px) are resized to Cellpose's 17. No
pixel is then taken for an object, so the time is a lower limit. It goes with the pixels that the
network sees, so with the square of that factor.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cellpose.models import CellposeModel
from turns import take_turns

DIAMETER = 17


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--diameter", type=float, default=DIAMETER)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    take_turns(lambda: load_network(options.run, options.diameter), np.load(options.image))


def load_network(run: Path | None, diameter: float) -> Callable[[np.ndarray], np.ndarray]:
    settings: dict[str, Any] = {"diameter": diameter, "cellprob_threshold": 1e6}
    weights = None
    if run:
        weights = str(run / "model" / "cellpose")
        settings = json.loads((run / "run.json").read_text("utf8"))["decode"]
        # The factor is the network's own diameter by this one.
        del settings["diameter"]
    model = CellposeModel(gpu=False, pretrained_model=weights, diam_mean=DIAMETER)
    return lambda pixels: model.eval(pixels, channels=[0, 0], **settings)[0]


if __name__ == "__main__":
    main()
