"""Foreground and distance maps; objects are basins of the distance map.

Bonte et al. 2023, figure 6.
"""

from sparcell.methods.base import METHODS, Method
from sparcell.methods.distance.config import DistanceConfig, DistanceDecode, candidates
from sparcell.methods.distance.decode import decode
from sparcell.methods.distance.targets import targets

DISTANCE = Method(
    name="distance",
    maps=("foreground", "distance"),
    config=DistanceConfig,
    decode_settings=DistanceDecode,
    targets=targets,
    decode=decode,
    candidates=candidates,
)
METHODS.register("distance")(DISTANCE)
