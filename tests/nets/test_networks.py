from __future__ import annotations

from bases.networks import NetworkContract

from sparcell.nets.config import NetworkConfig


class TestThesisUNet(NetworkContract):
    config = NetworkConfig(decoder="thesis-unet", weights="none", filters=4)


class TestUNetOnAnEncoder(NetworkContract):
    config = NetworkConfig(
        encoder="tf_efficientnet_lite0", weights="none", decoder_channels=(16, 16, 8, 8, 4)
    )
