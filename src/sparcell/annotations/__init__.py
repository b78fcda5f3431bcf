"""Annotations of a field: read, derive, import from other tools, and export to them."""
