"""RetinaMask: boxes from anchors and a small mask in each (Cui 2020, 2.2 and 2.3)."""

from sparcell.methods.base import METHODS, Method
from sparcell.methods.detections import DETECTIONS
from sparcell.methods.retinamask.config import RetinaMaskConfig, RetinaMaskDecode, candidates
from sparcell.methods.retinamask.decode import decode
from sparcell.methods.retinamask.targets import targets

RETINAMASK = Method(
    name="retinamask",
    maps=("ids",),
    config=RetinaMaskConfig,
    decode_settings=RetinaMaskDecode,
    targets=targets,
    decode=decode,
    candidates=candidates,
    own_network=True,
    output=DETECTIONS,
)
METHODS.register("retinamask")(RETINAMASK)
