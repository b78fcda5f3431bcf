"""Sparcell on one image, whenever `speed.py` asks.

    python sparcell_speed.py IMAGE.npy --threads 2 --model MODEL [--files IMAGE.tif]

From an array to an array; with `--files` from a TIFF to OME-Zarr labels and a table of objects, the
start of the network included.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from arrays import find_objects, open_network
from numpy.typing import NDArray
from rivals.turns import take_turns

from sparcell import load_model, predict
from sparcell.io import open_image, write_image
from sparcell.prediction.settings import PredictSettings

AS_ZARR = PredictSettings(format=".ome.zarr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", required=True)
    parser.add_argument("--files", type=Path)
    options = parser.parse_args()
    model, pixels = load_model(options.model), np.load(options.image)
    if not options.files:
        network = open_network(model, options.threads)
        take_turns(lambda part: find_objects(part, model, network), pixels)
        return
    with tempfile.TemporaryDirectory() as name:
        folders = (Path(name) / str(number) for number in itertools.count())

        def find(part: NDArray[np.uint8]) -> Any:
            path, out = options.files, next(folders)
            if part.shape != pixels.shape:
                path = Path(name) / options.files.name
                write_image(path, part, "YX")
            predict(model, path, out, settings=AS_ZARR, threads=options.threads)
            return open_image(out / "labels" / f"{path.stem}.ome.zarr").data

        take_turns(find, pixels)


if __name__ == "__main__":
    main()
