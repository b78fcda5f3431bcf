"""Labels for other tools, in which people look at them and correct them.

`export_labels` walks around objects along the edges of their pixels (`rings`), gathers what is
known of each (`objects`), and writes QuPath's GeoJSON (`geojson`), ImageJ's regions of interest
(`imagej`), COCO (`coco`) or tables of points (`folder`). `sparcell.labeling.importing` reads all of
them back.
"""

from sparcell.labeling.exporting.folder import FORMATS, export_labels

__all__ = ["FORMATS", "export_labels"]
