"""Networks (PyTorch, but for `config`): built from a recipe's `network` part."""
