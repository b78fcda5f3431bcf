"""Export labels to other tools, in which people check and correct them.

`export_labels` traces objects along the edges of their pixels (`polygons`), collects class and
score of each (`objects`), and writes QuPath's GeoJSON (`geojson`), ImageJ's regions of interest
(`imagej`), COCO (`coco`) or tables of points (`folder`). `sparcell.annotations.importing` reads
all of them.
"""

from sparcell.annotations.exporting.folder import FORMATS, export_labels

__all__ = ["FORMATS", "export_labels"]
