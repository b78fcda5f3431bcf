"""Readers and writers of images and tables.

========================  =========================================  =======================
Kind                      Read                                       Write
========================  =========================================  =======================
TIFF, BigTIFF             any compression, strips or tiles           ``.tif``, ``.tiff``
OME-TIFF                  also over several files, scene by scene    ``.ome.tif``
ImageJ TIFF, LSM, STK     hyperstacks                                no
SVS, NDPI, SCN            full resolution                            no
OME-Zarr 0.5 (Zarr 3)     full resolution, zipped, at addresses      ``.ome.zarr``, ``.zarr``
OME-Zarr 0.1 to 0.4       full resolution, zipped, at addresses      0.4: ``ngff="0.4"``
Zarr arrays               with the user's axes                       no
OME-Zarr plates           field by field                             no
PNG, JPEG, BMP            as a whole; JPEG not as labels             no
CZI, ND2, LIF, OIB, OIF   plane by plane, scene by scene             no
tables                    ``.csv``, ``.parquet``                     ``.csv``, ``.parquet``
========================  =========================================  =======================

TIFF files of other suffixes are tried as TIFF. Other formats are refused with a line that says so.
Pixels may be bool, integers or floats, never complex. Images are read on demand and
can be written region by region, so neither needs the whole image in memory. Parquet needs
``sparcell[parquet]``, the makers' formats need ``sparcell[formats]``, and addresses
``sparcell[remote]``.
"""

from sparcell.io.kept_planes import keep_planes
from sparcell.io.label_group import create_labels, locate_labels
from sparcell.io.listing import list_images, without_thumbnails
from sparcell.io.plate import PlateField, find_plate_field
from sparcell.io.reading import (
    expand_scenes,
    list_scenes,
    open_aligned,
    open_image,
    open_levels,
    open_sample,
    without_continued,
)
from sparcell.io.result_names import name_results, unique_names
from sparcell.io.scenes import Scene
from sparcell.io.tables import (
    read_numbers,
    read_pieces,
    read_table,
    write_columns,
    write_table,
)
from sparcell.io.writing import create_image, write_image

__all__ = [
    "PlateField",
    "Scene",
    "create_image",
    "create_labels",
    "expand_scenes",
    "find_plate_field",
    "keep_planes",
    "list_images",
    "list_scenes",
    "locate_labels",
    "name_results",
    "open_aligned",
    "open_image",
    "open_levels",
    "open_sample",
    "read_numbers",
    "read_pieces",
    "read_table",
    "unique_names",
    "without_continued",
    "without_thumbnails",
    "write_columns",
    "write_image",
    "write_table",
]
