"""Deep watershed: distances to an object's centre and to its outline (Cui 2020, 1.2)."""

from sparcell.methods.base import METHODS, Method
from sparcell.methods.watershed.config import (
    WatershedConfig,
    WatershedDecode,
    alternatives,
    candidates,
)
from sparcell.methods.watershed.decode import decode
from sparcell.methods.watershed.targets import targets

WATERSHED = Method(
    name="watershed",
    maps=("inner", "outer"),
    config=WatershedConfig,
    decode_settings=WatershedDecode,
    targets=targets,
    decode=decode,
    candidates=candidates,
    alternatives=alternatives,
)
METHODS.register("watershed")(WATERSHED)
