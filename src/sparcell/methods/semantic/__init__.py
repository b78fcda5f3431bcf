"""A foreground map; objects are the connected components above a threshold.

Salomon-Sörensen 2023, Park et al. 2022.
"""

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
