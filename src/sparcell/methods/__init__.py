"""Methods: how labels become targets, what is minimised, how maps become objects.

Each method is one folder; adding one means a folder like ``semantic/``, an import below and a
test file. A network that serves a method has one output channel per map, squashed to 0..1 in the
exported model, or answers with detections; either way decoding needs no PyTorch.
"""

from sparcell.methods.base import METHODS, Method
from sparcell.methods.distance import DISTANCE
from sparcell.methods.lacss import LACSS
from sparcell.methods.pixelwise import PIXELWISE
from sparcell.methods.retinamask import RETINAMASK
from sparcell.methods.semantic import SEMANTIC
from sparcell.methods.stain import STAIN
from sparcell.methods.watershed import WATERSHED

__all__ = [
    "DISTANCE",
    "LACSS",
    "METHODS",
    "PIXELWISE",
    "RETINAMASK",
    "SEMANTIC",
    "STAIN",
    "WATERSHED",
    "Method",
]
