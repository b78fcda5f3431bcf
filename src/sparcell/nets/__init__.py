"""Networks (PyTorch): built from a recipe's `network` part."""

from sparcell.nets.build import NetworkConfig, build_network, input_multiple

__all__ = ["NetworkConfig", "build_network", "input_multiple"]
