"""Preparation of pixels for a network: normalisation, padding, steps of bioimage.io packages."""
