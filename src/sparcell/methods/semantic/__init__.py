"""Binary mask, thresholded; objects are its connected components (autolabel thesis, mp-net)."""

from sparcell.methods.base import METHODS, Method
from sparcell.methods.semantic.config import SemanticConfig, SemanticDecode, candidates
from sparcell.methods.semantic.decode import decode
from sparcell.methods.semantic.targets import targets

SEMANTIC = Method(
    name="semantic",
    maps=("foreground",),
    config=SemanticConfig,
    decode_settings=SemanticDecode,
    targets=targets,
    decode=decode,
    candidates=candidates,
)
METHODS.register("semantic")(SEMANTIC)
