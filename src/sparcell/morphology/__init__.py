"""Shapes of objects and peaks of maps: arrays in, arrays out."""
