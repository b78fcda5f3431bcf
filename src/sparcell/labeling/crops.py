"""Label the crops of a dataset with the preset ``salomon2023``, and filter them as a set."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from sparcell.annotations.stains import open_stain
from sparcell.classical.salomon2023 import (
    Salomon2023Settings,
    crop_corners,
    filter_dataset,
    label_crop,
)
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.image import FIRST_PLANE, Image
from sparcell.core.labels import check_labels
from sparcell.io import open_sample, write_image
from sparcell.labeling.contact_sheet import Thumbnail
from sparcell.labeling.labeler import LABELERS, FieldResult, Labeler

logger = logging.getLogger(__name__)


@LABELERS.register("salomon2023")
class Salomon2023Labeler(Labeler):
    """Cuts fields into crops, labels them as published, and drops the emptiest of each group."""

    name = "salomon2023"
    settings_class = Salomon2023Settings
    writes_images = True
    settings: Salomon2023Settings
    column: str | None = None

    @property
    def own_folder(self) -> tuple[str, str] | None:
        """Crops, which are a dataset of their own."""
        return "crops of the preset salomon2023", "which becomes a dataset of its own"

    def check_fields(self, fields: Dataset) -> None:
        """Find the column of ``split.csv`` whose groups are filtered one by one."""
        self.column = group_column(fields, self.settings.by)

    def label_field(self, sample: Sample, target: Path) -> Iterable[FieldResult]:
        """Label each crop of one field."""
        return label_crops(sample, target, self.settings)

    def finish(
        self, results: Iterable[tuple[Sample, FieldResult]], data: Dataset, target: Path
    ) -> Iterator[FieldResult]:
        """Wait for all crops, refuse the emptiest of each group, and write ``split.csv``."""
        everything = list(results)
        crops = [(sample, result) for sample, result in everything if not result.failed]
        groups = [sample.info.get(self.column, "") if self.column else "" for sample, _ in crops]
        filtered = apply_filter([result for _, result in crops], self.settings, groups)
        write_crop_split(
            data.having(self.source), filtered, [sample for sample, _ in crops], target
        )
        yield from filtered
        yield from (result for _, result in everything if result.failed)


def label_crops(
    sample: Sample, target: Path, settings: Salomon2023Settings
) -> Iterator[FieldResult]:
    """Cut one field, label every crop, write ``images/``, ``stain/`` and ``labels/``.

    Raises
    ------
    InputError
        If the stain cannot be used or has several planes.
    """
    stain = open_stain(sample)
    if stain.size("T") * stain.size("Z") > 1:
        raise InputError(
            f"{stain.size('T')} time points and {stain.size('Z')} depths in {stain.source}",
            "one plane for the preset salomon2023",
            "save the planes as single images, or use the preset auto",
        )
    image = open_sample(sample)
    for top, left in crop_corners(stain.shape, settings.crop):
        y, x = slice(top, top + settings.crop), slice(left, left + settings.crop)
        pixels = stain.read(y, x, FIRST_PLANE)[0]
        if np.ptp(pixels) == 0:
            labels = np.zeros(pixels.shape, np.int32)
        else:
            labels = check_labels(label_crop(pixels, stain.pixel_size, settings))
        name = f"{sample.name}_y{top}_x{left}"
        for kind, source in (("images", image), ("stain", stain)):
            _write_crop(target / kind / f"{name}.tif", source, y, x)
        write_image(target / "labels" / f"{name}.tif", labels, "YX", stain.pixel_size, labels=True)
        area = np.bincount(labels.ravel())[1:]
        row = {
            "name": name,
            "accepted": True,
            "reason": "",
            "preset": "salomon2023",
            "count": len(area),
            "coverage": float((labels > 0).mean()),
        }
        if len(area):
            row["diameter_px"] = float(np.median(2 * np.sqrt(area / np.pi)))
        yield FieldResult(row, Thumbnail(name, "", pixels, labels))


def _write_crop(path: Path, source: Image, y: slice, x: slice) -> None:
    pixels = source.read(y, x).astype(source.data.dtype)
    if len(pixels) == 1:
        write_image(path, pixels[0], "YX", source.pixel_size)
    else:
        write_image(path, pixels, "CYX", source.pixel_size, source.channels)


def group_column(dataset: Dataset, by: str | None) -> str | None:
    """Column of ``split.csv`` whose groups are filtered one by one: `by`, or ``cell`` if it exists.

    Raises
    ------
    InputError
        If the table has no column `by`.
    """
    columns = sorted({column for sample in dataset.samples for column in sample.info})
    if by is None:
        return "cell" if "cell" in columns else None
    if by not in columns:
        known = f"one of its columns: {', '.join(columns)}" if columns else "a column of groups"
        raise InputError(f"no column '{by}' in {dataset.root / 'split.csv'}", known, "correct `by`")
    return by


def apply_filter(
    results: list[FieldResult], settings: Salomon2023Settings, groups: Sequence[str]
) -> list[FieldResult]:
    """Refuse crops by comparing those of a group (Salomon-Sörensen 2023, section 5.2.4).

    Parameters
    ----------
    results : list of FieldResult
    settings : Salomon2023Settings
    groups : one str for each result
        Group, such as the cell line.
    """
    for group, count in sorted(Counter(groups).items()):
        if not int(settings.lowest_share * count):
            crops = "1 crop" if count == 1 else f"{count} crops"
            share = f"{settings.lowest_share:.0%}"
            logger.warning(
                f"{group or 'all'}: only {crops}, so the {share} with fewest nucleus pixels stay"
            )
    coverage = np.array([result.row["coverage"] for result in results])
    return [
        FieldResult(
            result.row | {"accepted": not reason, "reason": reason},
            Thumbnail(result.row["name"], reason, result.thumbnail.stain, result.thumbnail.labels),
        )
        for result, reason in zip(results, filter_dataset(coverage, settings, groups), strict=True)
    ]


def write_crop_split(
    dataset: Dataset, results: list[FieldResult], origin: list[Sample], out: Path
) -> None:
    """Give every crop the row of ``split.csv`` of its field."""
    if not any(sample.split or sample.info for sample in dataset.samples):
        return
    columns = list(dict.fromkeys(key for sample in origin for key in sample.info))
    with whole_file(out / "split.csv") as partial, partial.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", "split", *columns])
        for result, sample in zip(results, origin, strict=True):
            row = [result.row["name"], sample.split]
            writer.writerow(row + [sample.info.get(column, "") for column in columns])
