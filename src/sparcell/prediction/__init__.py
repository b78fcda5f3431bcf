"""Prediction: from a model and images to labels and tables, in tiles and blocks; no PyTorch."""
