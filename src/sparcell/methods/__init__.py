"""Methods: how labels become targets, the loss, and how network outputs become objects.

A method is a folder like ``semantic/``, one line below, and a test file. Recipes, the command line
and the documentation find it in `METHODS`. Decoding needs no PyTorch: the exported network gives
one map per output channel in 0..1, or detections.
"""

from sparcell.methods.base import METHODS as METHODS
from sparcell.methods.base import Method as Method
from sparcell.methods.distance import DISTANCE as DISTANCE
from sparcell.methods.lacss import LACSS as LACSS
from sparcell.methods.pixelwise import PIXELWISE as PIXELWISE
from sparcell.methods.retinamask import RETINAMASK as RETINAMASK
from sparcell.methods.semantic import SEMANTIC as SEMANTIC
from sparcell.methods.stain import STAIN as STAIN
from sparcell.methods.watershed import WATERSHED as WATERSHED
