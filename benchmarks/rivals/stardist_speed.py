"""StarDist on one image, whenever `speed.py` asks.

    python stardist_speed.py IMAGE.npy --threads 2 [--run RUN]

RUN is a folder of `stardist_train.py`; without it the network has random weights, and no pixel is
taken for an object: a lower limit of its time. Up to 2048 px the image goes through
`predict_instances`, above that through `predict_instances_big`, StarDist's way for large images.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf
from csbdeep.utils import normalize
from stardist.models import Config2D, StarDist2D
from turns import take_turns

BLOCK, OVERLAP, CONTEXT = 2048, 128, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--run", type=Path)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # Random weights would take thousands of pixels for objects.
    least = {} if options.run else {"prob_thresh": 1.0}
    take_turns(lambda: partial(find, load_network(options.run), least), np.load(options.image))


def load_network(run: Path | None) -> StarDist2D:
    if run:
        return StarDist2D(None, name="model", basedir=str(run))
    with tempfile.TemporaryDirectory() as folder:
        return StarDist2D(Config2D(n_rays=32, grid=(2, 2)), name="random", basedir=folder)


def find(model: StarDist2D, least: dict[str, float], pixels: np.ndarray) -> np.ndarray:
    scaled = normalize(pixels.astype(np.float32), 1, 99.8)
    if max(pixels.shape) <= BLOCK:
        return model.predict_instances(scaled, **least)[0]
    blocks = {"block_size": BLOCK, "min_overlap": OVERLAP, "context": CONTEXT, **least}
    return model.predict_instances_big(scaled, axes="YX", show_progress=False, **blocks)[0]


if __name__ == "__main__":
    main()
