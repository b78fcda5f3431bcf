"""A model on an array in memory, without files, and its network alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.image import FIRST_PLANE, Image
from sparcell.core.labels import Labels
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.array import predict_array
from sparcell.prediction.predict_instances import plan_tiles
from sparcell.prediction.settings import DEFAULTS
from sparcell.prediction.tiling.tiles import cut_plane, map_rows
from sparcell.prediction.tiling.tta import TTARuntime


class Seconds(NamedTuple):
    """Time that something took: on the wall, and of the processor in all threads."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Seconds:
        """Read the clocks."""
        return cls(time.perf_counter(), time.process_time())

    def since(self) -> Seconds:
        """Give the time that has gone by."""
        return Seconds(time.perf_counter() - self.wall, time.process_time() - self.cpu)


def find_objects(
    pixels: NDArray[np.generic], model: Model, network: Runtime, threads: int
) -> Labels:
    """Give the labels of (Y, X) pixels in the size that they have; objects are not measured."""
    found = predict_array(model, pixels, diameter="none", runtime=network, threads=threads)
    return found.labels


def time_network(
    pixels: NDArray[np.generic], model: Model, network: Runtime, surroundings: bool
) -> Seconds:
    """Take the time of the network alone; reading, scaling and decoding do not count.

    Parameters
    ----------
    pixels : (Y, X)
    model : Model
    network : Runtime
    surroundings : bool
        Whether windows overlap, as they do in a prediction, or show every pixel once.
    """
    image = Image(pixels, "YX")
    vertical, horizontal = plan_tiles(image, image, model, DEFAULTS)[0]
    if not surroundings:
        vertical, horizontal = (*vertical[:2], 0), (*horizontal[:2], 0)
    cuts = cut_plane(image.shape, (vertical, horizontal))
    timed = _Timed(TTARuntime.of(network, model, model.spec.tta))
    for _ in map_rows(image, FIRST_PLANE, model.scaling(image), timed, cuts, model.method.output):
        pass
    return Seconds(timed.wall, timed.cpu)


class _Timed:
    """A network with a clock."""

    def __init__(self, network: Runtime) -> None:
        self.network, self.name = network, network.name
        self.wall = self.cpu = 0.0

    def __call__(self, image: NDArray[np.float32]) -> Any:
        return self._time(self.network, image)

    def run_uint8(self, image: NDArray[np.float32]) -> Any:
        return self._time(self.network.run_uint8, image)

    def _time(self, run: Callable[[NDArray[np.float32]], Any], image: NDArray[np.float32]) -> Any:
        began = Seconds.now()
        answer = run(image)
        took = began.since()
        self.wall, self.cpu = self.wall + took.wall, self.cpu + took.cpu
        return answer
