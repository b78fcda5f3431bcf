"""Sparcell on one image, whenever `speed.py` asks.

    python sparcell_speed.py IMAGE.npy --threads 2 --model MODEL [--as-is | --files IMAGE.tif]

From an array to an array, by the call that a notebook makes: the model's name, no open network.
With `--as-is` images are not resized by what is found in them. With `--files` from a TIFF to
OME-Zarr labels and a table of objects.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rivals.turns import take_turns

from sparcell import load_model, predict, predict_array
from sparcell.io import open_image, write_image
from sparcell.prediction.settings import PredictSettings

Find = Callable[[NDArray[np.uint8]], Any]
AS_ZARR = PredictSettings(format=".ome.zarr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", required=True)
    parser.add_argument("--as-is", action="store_true")
    parser.add_argument("--files", type=Path)
    options = parser.parse_args()
    pixels = np.load(options.image)
    if options.files:
        with tempfile.TemporaryDirectory() as folder:
            take_turns(lambda: through_files(options, pixels.shape, Path(folder)), pixels)
    else:
        take_turns(lambda: in_memory(options), pixels)


def in_memory(options: argparse.Namespace) -> Find:
    given = {"threads": options.threads} | ({"diameter": "none"} if options.as_is else {})
    return lambda pixels: predict_array(options.model, pixels, **given).labels


def through_files(options: argparse.Namespace, whole: tuple[int, ...], folder: Path) -> Find:
    model = load_model(options.model)
    numbers = itertools.count()

    def find(pixels: NDArray[np.uint8]) -> Any:
        path, out = options.files, folder / str(next(numbers))
        if pixels.shape != whole:
            path = folder / options.files.name
            write_image(path, pixels, "YX")
        predict(model, path, out, settings=AS_ZARR, threads=options.threads)
        return open_image(out / "labels" / f"{path.stem}.ome.zarr").data

    return find


if __name__ == "__main__":
    main()
