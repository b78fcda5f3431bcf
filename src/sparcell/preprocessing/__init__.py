"""Preparation of pixels for a network: normalisation, resizing and padding."""
