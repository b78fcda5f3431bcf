"""Annotations of a field: read, derived from others, imported from and exported to other tools."""
