"""Shapes and boundaries of objects, and basins of height maps: arrays in, arrays out."""
