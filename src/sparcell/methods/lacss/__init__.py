"""LACSS: locations of cells and a segmentation around each; learns from points and a mask."""

from sparcell.methods.base import METHODS, Method
from sparcell.methods.lacss.assemble import LOCATIONS
from sparcell.methods.lacss.config import LacssConfig, LacssDecode, candidates
from sparcell.methods.lacss.decode import decode
from sparcell.methods.lacss.targets import targets

LACSS = Method(
    name="lacss",
    maps=("ids", "mask", "points"),
    config=LacssConfig,
    decode_settings=LacssDecode,
    targets=targets,
    decode=decode,
    candidates=candidates,
    own_network=True,
    output=LOCATIONS,
    learns_from="any",
)
METHODS.register("lacss")(LACSS)
