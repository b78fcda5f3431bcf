"""Stain prediction: a fluorescence image from a label-free image (Bonte et al. 2023, 2.2, 2.3).

It gives intensities, no objects, and is the pretext task that segmentation starts from.
"""

from sparcell.methods.base import METHODS, Method
from sparcell.methods.stain.config import StainConfig, StainDecode, candidates
from sparcell.methods.stain.decode import decode
from sparcell.methods.stain.targets import targets
from sparcell.methods.task import IMAGE

STAIN = Method(
    name="stain",
    maps=("stain",),
    config=StainConfig,
    decode_settings=StainDecode,
    targets=targets,
    decode=decode,
    candidates=candidates,
    task=IMAGE,
    learns_from="stain",
)
METHODS.register("stain")(STAIN)
