"""Each pixel is background, interior or boundary (Cui 2020, 1.2 and 2.2)."""

from sparcell.methods.base import METHODS, Method
from sparcell.methods.pixelwise.config import PixelwiseConfig, PixelwiseDecode, candidates
from sparcell.methods.pixelwise.decode import decode
from sparcell.methods.pixelwise.targets import targets

PIXELWISE = Method(
    name="pixelwise",
    maps=("background", "interior", "boundary"),
    config=PixelwiseConfig,
    decode_settings=PixelwiseDecode,
    targets=targets,
    decode=decode,
    candidates=candidates,
)
METHODS.register("pixelwise")(PIXELWISE)
