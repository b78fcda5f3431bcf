"""The image of a stain, predicted from label-free images (isl paper, 2.2 and 2.3).

Not objects but intensities: the pretext task from which segmentation starts.
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
