"""Axes and units, the label contract, dataset folder, registry, errors and run record."""
