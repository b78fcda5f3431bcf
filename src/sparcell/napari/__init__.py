"""A plugin of napari: open Sparcell's folders, predict, correct, and write labels.

``napari.yaml`` tells napari what there is. Nothing else of Sparcell needs napari, and napari
chooses its own Qt.
"""
