"""Annotations that people have made with other tools, as a dataset folder.

`import_annotations` reads tables of points (`tables`), ImageJ's regions of interest (`imagej`),
QuPath's GeoJSON (`geojson`), COCO (`coco`), LabelMe (`labelme`), VIA (`via`), CVAT (`cvat`), Label
Studio (`labelstudio`) and Cellpose (`cellpose`), brings all to `shapes`, draws outlines into label
images (`drawing`), and writes what it found beside the images (`folder`).
"""

from sparcell.annotations.importing.folder import import_annotations

__all__ = ["import_annotations"]
