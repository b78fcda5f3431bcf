"""Tracks in the formats of other tools, written and read."""
