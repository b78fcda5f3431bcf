from __future__ import annotations

from bases.networks import NetworkContract

from sparcell.nets.config import NetworkConfig

NARROW = (16, 16, 8, 8, 4)


class TestThesisUNet(NetworkContract):
    config = NetworkConfig(decoder="thesis-unet", weights="none", filters=4)


class TestUNetOnAnEncoder(NetworkContract):
    config = NetworkConfig(encoder="tf_efficientnet_lite0", weights="none", decoder_channels=NARROW)


class TestUNetPlusPlusWithDeepSupervision(NetworkContract):
    config = NetworkConfig(
        decoder="unetplusplus",
        encoder="featurenet",
        weights="none",
        decoder_channels=NARROW,
        deep_supervision=True,
    )


class TestFPNWithLocation(NetworkContract):
    config = NetworkConfig(
        decoder="fpn", encoder="featurenet", weights="none", pyramid_width=16, location=True
    )


class TestFPNOfThreeFrames(NetworkContract):
    config = NetworkConfig(
        decoder="fpn",
        encoder="featurenet",
        weights="none",
        pyramid_width=16,
        frames=3,
        temporal="convlstm",
    )


class TestFCN(NetworkContract):
    config = NetworkConfig(decoder="fcn", encoder="mobilenet_v2", weights="none")


class TestDeepLabv3(NetworkContract):
    config = NetworkConfig(decoder="deeplabv3", encoder="mobilenet_v2", weights="none")
