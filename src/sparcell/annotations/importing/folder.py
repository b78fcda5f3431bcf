"""Import annotations of other tools into a dataset folder."""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import yaml

from sparcell.annotations.importing.checks import prepare
from sparcell.annotations.importing.drawing import draw
from sparcell.annotations.importing.reading import list_annotations, read_shapes
from sparcell.annotations.importing.shapes import Shapes
from sparcell.annotations.importing.tables import to_pixels
from sparcell.core.dataset import Dataset
from sparcell.core.dataset_layout import KINDS, FileLocation, read_layout
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.image import Image
from sparcell.core.image_files import stem
from sparcell.core.progress import track
from sparcell.core.text import counted, listed
from sparcell.io import create_image, list_images, open_image, open_sample, write_table
from sparcell.io.points import write_points

logger = logging.getLogger(__name__)

UNITS = ("auto", "px", "um")


def import_annotations(
    annotations: Sequence[Path | str],
    out: Path | str,
    images: Path | str | None = None,
    *,
    units: str = "auto",
    pixel_size: float | None = None,
    classes: Sequence[str] = (),
    overwrite: bool = False,
) -> Dataset:
    """Make a dataset folder of images and annotations from other tools.

    Points become ``points/NAME.csv``, outlines ``labels/NAME.tif``; class names are a column of
    the former, and ``labels/NAME.csv`` gives them for the ids of the latter. No image is copied.

    Parameters
    ----------
    annotations : sequence of Path or str
        Files, or folders of them: CSV, ImageJ's ``.roi`` and ``.zip``, QuPath's GeoJSON, COCO.
    out : Path or str
        A new folder; or a dataset folder with images, which gets what it lacks.
    images : Path or str, optional
        Folder of the images; those of `out` by default.
    units : {"auto", "px", "um"}
        Of points in tables. ``auto``: inferred from header, pixel size and coordinates.
    pixel_size : float, optional
        Edge of a pixel in um, instead of that in the images.
    classes : sequence of str
        Only shapes of these classes.
    overwrite : bool
        Replace points and labels that are there.

    Raises
    ------
    InputError
        If a file cannot be used, belongs to no image, or would replace one; nothing is written
        then.
    """
    root = Path(out)
    if units not in UNITS:
        raise InputError(f"units '{units}'", "one of " + ", ".join(UNITS), "choose one")
    if pixel_size is not None and not 0 < pixel_size < math.inf:
        raise InputError(f"a pixel size of {pixel_size:g} um", "more than 0", "correct it")
    folder, opened = _open_images(root, None if images is None else Path(images))
    found: dict[str, list[Shapes]] = {}
    files = list_annotations([Path(path) for path in annotations])
    for path in track(files, "reading", len(files), "files"):
        for name, shapes in read_shapes(path, opened).items():
            in_px = to_pixels(
                shapes, opened[name].shape, pixel_size or opened[name].pixel_size, units
            )
            ready = prepare(in_px, opened[name], name, classes)
            found.setdefault(name, []).append(ready)
    kinds = _check_target(root, found, overwrite)
    if not kinds:
        left_out = ", ".join(f"{count} {kind}" for kind, count in _count_skipped(found).items())
        raise InputError(
            "no point and no outline"
            + (f" of class {', '.join(classes)}" if classes else "")
            + (f"; left out: {left_out}" if left_out else ""),
            "annotations",
            "check the files" + (" and the names of the classes" if classes else ""),
        )
    totals: Counter[str] = Counter()
    # A new dataset appears as a whole; to one that is there files are added, each as a whole.
    with nullcontext(root) if folder is None else whole_file(root) as target:
        for name, parts in track(found.items(), "writing", len(found), "images"):
            totals += _write_field(target, name, opened[name], parts)
        if folder is not None:
            layout = {"images": Path(os.path.relpath(folder, root.resolve())).as_posix()}
            (target / "dataset.yaml").write_text(yaml.safe_dump(layout), "utf8")
    _report(totals, found, opened, root)
    return Dataset.open(root)


def _open_images(root: Path, images: Path | None) -> tuple[Path | None, dict[str, Image]]:
    """Open the images by name; with their folder, where a new dataset shall refer to it."""
    own = (root / read_layout(root).get("images", FileLocation("images")).files).resolve()
    if images is None or own == images.resolve():
        if not root.is_dir():
            raise InputError(
                f"no dataset {root} and no `images`",
                "where the images are",
                "give `images`, their folder",
            )
        return None, {s.name: open_sample(s) for s in Dataset.open(root).samples}
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(
            f"{root}, which holds other files",
            "a new folder, or a dataset alone, without `images`",
            "choose another `out`, or leave out `images`",
        )
    if not images.is_dir():
        raise InputError(f"no folder {images}", "the folder of the images", "check the path")
    return images.resolve(), {stem(path): open_image(path) for path in list_images([images])}


def _check_target(root: Path, found: dict[str, list[Shapes]], overwrite: bool) -> set[str]:
    """Return the kinds to write, if nothing is in their way."""
    wanted = {
        (kind, name)
        for name, parts in found.items()
        for part in parts
        for kind, present in (
            ("points", part.points or part.nothing),
            ("labels", part.outlines),
            ("ignore", part.crowds and part.outlines),
        )
        if present
    }
    kinds = {kind for kind, _ in wanted}
    layout = read_layout(root)
    for kind in sorted(kinds & layout.keys()):
        raise InputError(
            f"{kind} that {root / 'dataset.yaml'} puts into {layout[kind].files}",
            f"{kind} in the dataset folder",
            "import into a new `out`, with the folder of the images as `images`",
        )
    for kind, name in sorted(wanted):
        ours = f"{name}{'.csv' if kind == 'points' else '.tif'}"
        for path in sorted((root / kind).glob("*")):
            same = stem(path, KINDS[kind]) == name and path.name.lower().endswith(KINDS[kind])
            if same and not (overwrite and path.name == ours):
                remedy = (
                    "add `overwrite=True` to replace it" if path.name == ours else "move it away"
                )
                raise InputError(f"{path} already", "an image without", remedy)
    return kinds


def _write_field(root: Path, name: str, image: Image, parts: Sequence[Shapes]) -> Counter[str]:
    points = [point for part in parts for point in part.points]
    axes = "".join(axis for axis in image.axes if axis in "TZ" and image.size(axis) > 1)
    totals = Counter({"points": len(points)})
    outlined = any(part.outlines for part in parts)
    if points or (not outlined and any(part.nothing for part in parts)):
        more: dict[str, list[object]] = {}
        for axis in axes.lower():
            more[axis] = [getattr(point.plane, axis) for point in points]
        if any(point.name for point in points):
            more["class"] = [point.name for point in points]
        write_points(root / "points" / f"{name}.csv", np.array([[p.y, p.x] for p in points]), more)
    if outlined:
        totals += _write_labels(root / "labels", name, image, parts, axes)
        totals += _write_ignore(root / "ignore" / f"{name}.tif", image, parts, axes)
    return totals


def _write_ignore(path: Path, image: Image, parts: Sequence[Shapes], axes: str) -> Counter[str]:
    """Mark the regions of objects that were not separated, except objects outlined in them."""
    crowds = [crowd for part in parts for crowd in part.crowds]
    if not crowds:
        return Counter()
    shape = [*(image.size(axis) for axis in axes), *image.shape]
    outlines = [outline for part in parts for outline in part.outlines]
    with create_image(path, axes + "YX", shape, np.uint8, image.pixel_size, labels=True) as ignored:
        for plane in image.planes():
            here, outlined = (
                draw([o for o in some if o.plane == plane or not axes], image.shape).labels > 0
                for some in (crowds, outlines)
            )
            at = tuple(getattr(plane, axis.lower()) for axis in axes)
            ignored[at] = (here & ~outlined).astype(np.uint8)
    return Counter(crowds=len(crowds))


def _write_labels(
    folder: Path, name: str, image: Image, parts: Sequence[Shapes], axes: str
) -> Counter[str]:
    import pandas

    totals: Counter[str] = Counter()
    rows = []
    shape = [*(image.size(axis) for axis in axes), *image.shape]
    with create_image(
        folder / f"{name}.tif", axes + "YX", shape, np.int32, image.pixel_size, labels=True
    ) as labels:
        for plane in image.planes():
            chosen = [o for part in parts for o in part.outlines if o.plane == plane or not axes]
            drawn = draw(chosen, image.shape)
            at = {axis: getattr(plane, axis.lower()) for axis in axes}
            labels[tuple(at.values())] = drawn.labels
            totals += Counter(
                outlines=len(drawn.names),
                disputed=drawn.disputed,
                hidden=drawn.hidden,
                pieces=drawn.pieces,
            )
            where = {axis.lower(): number for axis, number in at.items()}
            rows += [where | {"id": i, "class": c} for i, c in enumerate(drawn.names, 1)]
    classes = folder / f"{name}.csv"
    if any(row["class"] for row in rows):
        write_table(pandas.DataFrame(rows), classes)
    else:
        classes.unlink(missing_ok=True)
    return totals


def _count_skipped(found: dict[str, list[Shapes]]) -> Counter[str]:
    """Count the shapes that are left out, by kind."""
    skipped: Counter[str] = Counter()
    for parts in found.values():
        for part in parts:
            skipped.update(part.skipped)
    return skipped


def _report(
    totals: Counter[str], found: dict[str, list[Shapes]], opened: dict[str, Image], root: Path
) -> None:
    written = [
        counted(totals[f"{kind}s"], kind) for kind in ("point", "outline") if totals[f"{kind}s"]
    ]
    annotated = [
        n for n, parts in found.items() if any(part.points or part.outlines for part in parts)
    ]
    summary = " and ".join(written) or "nothing"
    logger.info(f"{summary} in {len(annotated)} of {counted(len(opened), 'image')}: {root}")
    if empty := [
        n for n, parts in found.items() if n not in annotated and any(p.nothing for p in parts)
    ]:
        logger.warning(f"tables without rows are taken as images without cells: {', '.join(empty)}")
    if totals["disputed"]:
        logger.warning(
            f"Overlapping outlines: {totals['disputed']} px were given to the smaller cell."
        )
    if totals["hidden"]:
        logger.warning(
            f"{counted(totals['hidden'], 'outline')} left out: covered completely by smaller ones"
        )
    if totals["crowds"]:
        logger.warning(
            f"written to ignore/: {counted(totals['crowds'], 'region')} of unseparated objects"
        )
    if totals["pieces"]:
        logger.info(f"outlines in several pieces gave {counted(totals['pieces'], 'object')} more")
    for kind, count in _count_skipped(found).items():
        logger.warning(f"left out: {count} {kind}")
    several = {n: [p.source.name for p in parts if p.anything] for n, parts in found.items()}
    several = {n: sources for n, sources in several.items() if len(sources) > 1}
    if several:
        name, sources = next(iter(several.items()))
        logger.warning(
            f"annotations from several files for {counted(len(several), 'image')}, such as {name}: "
            f"{listed(sources)}; import one of them alone if they show the same objects"
        )
    without = sorted(opened.keys() - set(annotated) - set(empty))
    if without:
        logger.info(f"without annotation: {listed(without, most=5)}")
