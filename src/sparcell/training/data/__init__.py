"""From a dataset folder to the crops that a network learns from."""
