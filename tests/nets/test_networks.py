from __future__ import annotations

from bases.networks import NetworkContract

from sparcell.nets.config import NetworkConfig

NARROW = (16, 16, 8, 8, 4)


class TestSalomon2023UNet(NetworkContract):
    config = NetworkConfig(decoder="salomon2023-unet", weights="none", filters=4)


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


class TestFPNOfThreeFramesWithLocation(NetworkContract):
    config = NetworkConfig(
        decoder="fpn",
        encoder="featurenet",
        weights="none",
        pyramid_width=16,
        frames=3,
        temporal="convlstm",
        location=True,
    )


class TestFCN(NetworkContract):
    config = NetworkConfig(decoder="fcn", encoder="tu-mobilenetv2_050", weights="none")


class TestDeepLabv3(NetworkContract):
    config = NetworkConfig(decoder="deeplabv3", encoder="tu-mobilenetv2_050", weights="none")
