"""Label a whole dataset folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparcell.annotations.labelled_dataset import VERB
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.core.linked_dataset import link_dataset
from sparcell.core.record import now, start_record
from sparcell.core.text import counted, printable
from sparcell.labeling.folder import check_target, replacing
from sparcell.system.lock import lock_folder

if TYPE_CHECKING:
    from pandas import DataFrame
    from pydantic import BaseModel

    from sparcell.labeling.labeler import Labeler
    from sparcell.labeling.quality import QualitySettings

logger = logging.getLogger(__name__)

FORMER_NAMES = {"n_objects": "count", "median_diameter": "diameter_px"}
"""Columns of quality.csv in earlier versions, and their present names."""

RENAMED = {"thesis": "salomon2023"}
"""Old names of presets, which are understood for one release."""
SOURCES = ("stain", "points")


def label(
    dataset: Dataset | Path | str,
    out: Path | str | None = None,
    preset: str = "auto",
    *,
    source: str = "stain",
    diameter: float | None = None,
    overwrite: bool = False,
    settings: BaseModel | Mapping[str, Any] | None = None,
    quality: QualitySettings | None = None,
    workers: int = 1,
) -> DataFrame:
    """Label the fields of a dataset folder from their stains or points, and judge each field.

    Writes ``labels/``, ``ignore/``, ``quality.csv``, ``contact_sheet.png`` and ``record.json``.
    A field whose files cannot be used is listed in ``quality.csv`` as refused and does not stop
    the others. Nothing is deleted.

    Parameters
    ----------
    dataset : Dataset, Path or str
        With ``images/`` and ``stain/``, or ``images/`` and ``points/``.
    out : Path or str, optional
        New folder to write a dataset to that refers to the original images; by default labels
        are written into the dataset folder itself. The preset ``salomon2023``, which cuts images
        into crops, and outlines or points that are to be corrected first need one.
    preset : str
        How nuclei are found in a stain: ``auto``; ``salomon2023``; ``cellpose``, by that tool where
        it is installed; or ``cellpose:FILE``, with these weights. Outlines of Cellpose stay as they
        are and are judged as those of ``auto``.
    source : {"stain", "points"}
        ``points``: propose an outline for each point.
    diameter : float, optional
        Typical diameter of a nucleus in px, instead of the estimate (presets ``auto`` and
        ``cellpose``). The same as the setting of that name.
    overwrite : bool
        Replace the labels of an earlier run of this function. Labels of any other origin are
        never touched. The earlier ones stay until all new ones are complete.
    settings : AutoSettings, Salomon2023Settings, ProposalSettings or mapping, optional
        Settings of the presets ``auto`` and ``cellpose``, of ``salomon2023``, or of outlines from
        points; or some of them by name. ``{"to": "points"}`` makes points of a stain.
    quality : QualitySettings, optional
        Limits of the quality gate (presets ``auto`` and ``cellpose``).
    workers : int
        Number of processes that label fields. 1: this one; 0: as many as cores and memory allow,
        and this one for fewer than 4 fields or a network. A script that asks for several needs
        ``if __name__ == "__main__":`` before the call.

    Returns
    -------
    DataFrame
        The rows of ``quality.csv``: name, accepted, reason, preset, strategy, why, and figures.

    Raises
    ------
    InputError
        If preset, source and settings do not fit together, no field has the files that are
        needed, the place to write to holds other labels, another process works there, or a
        worker process is killed.
    """
    import pandas

    rows = label_rows(
        dataset,
        out,
        preset,
        source=source,
        diameter=diameter,
        overwrite=overwrite,
        settings=settings,
        quality=quality,
        workers=workers,
    )
    return pandas.DataFrame(rows)


def label_rows(
    dataset: Dataset | Path | str,
    out: Path | str | None = None,
    preset: str = "auto",
    *,
    source: str = "stain",
    diameter: float | None = None,
    overwrite: bool = False,
    settings: BaseModel | Mapping[str, Any] | None = None,
    quality: QualitySettings | None = None,
    workers: int = 1,
) -> list[dict[str, Any]]:
    """Label a dataset as `label` does; give the rows of its table, without loading Pandas."""
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(Path(dataset))
    preset = _current_name(preset)
    if diameter is not None:
        settings = _with_diameter(settings, diameter)
    labeler = find_labeler(preset, source, settings, quality)
    fields = data.having(labeler.source)
    if not len(fields):
        raise labeler.no_fields(data)
    _check_own_folder(labeler, data, out)
    labeler.check_fields(fields)
    chosen = {"source": source, **({"preset": preset} if source == "stain" else {})}
    chosen |= labeler.settings.model_dump(mode="json")
    with lock_folder(data.root if out is None else Path(out)):
        target = check_target(data, None if out is None else Path(out), overwrite, labeler.kind)
        record = start_record(chosen, [s.files[labeler.source].path for s in fields.samples])
        record = {"verb": VERB, **record, "dataset": str(data.root), "finished": None}
        for sample in data.samples:
            if labeler.source not in sample.files:
                logger.warning(f"{sample.name}: no {labeler.source}, not labelled")
        with replacing(target, record) as place:
            rows = _label_fields(labeler, fields, data, place, workers)
        if not labeler.writes_images and target.resolve() != data.root.resolve():
            link_dataset(data, target, ("labels", "ignore", labeler.kind))
        write_json(target / "record.json", record | {"finished": now()})
    _summarize(rows, target)
    return rows


def _label_fields(
    labeler: Labeler, fields: Dataset, data: Dataset, place: Path, workers: int
) -> list[dict[str, Any]]:
    """Write labels, contact sheet and ``quality.csv`` into a folder; return the rows."""
    # Started by the command line, so the heavy part loads only when there is work.
    from sparcell.labeling.contact_sheet import ContactSheet
    from sparcell.labeling.labeler import label_fields

    sheet = ContactSheet(place / "contact_sheet.png")
    rows = []
    # Closed at once where the block fails, so that no process goes on.
    with closing(label_fields(labeler, fields, place, workers)) as results:
        for result in labeler.finish(results, data, place):
            sheet.add(result.thumbnail)
            # Names that are no text become escapes.
            row = result.row.items()
            rows.append({k: printable(v) if isinstance(v, str) else v for k, v in row})
    sheet.flush()
    _write_quality(rows, place)
    return rows


def find_labeler(
    preset: str,
    source: str = "stain",
    settings: BaseModel | Mapping[str, Any] | None = None,
    quality: QualitySettings | None = None,
) -> Labeler:
    """Look up the labeler of a preset, or that of points, and give it its settings.

    Raises
    ------
    InputError
        If there is none, or it does not take these settings.
    """
    # Each of these modules registers its labelers.
    from sparcell.labeling import crops, from_stain, points_to_outlines  # noqa: F401
    from sparcell.labeling.labeler import LABELERS

    if source not in SOURCES:
        raise InputError(f"labels from '{source}'", "from stain or points", "choose one")
    if source == "points":
        if preset != "auto":
            raise InputError(
                f"`preset={preset}` for labels from points", "no preset", "leave it out"
            )
        return LABELERS["points"](settings, quality)
    name, colon, weights = preset.partition(":")
    presets = [one for one in LABELERS if LABELERS[one].source == "stain"]
    if name not in presets or (colon and not weights):
        raise InputError(
            f"preset '{preset}'", "one of " + ", ".join([*presets, "cellpose:FILE"]), "choose one"
        )
    return LABELERS[name](settings, quality, weights)


def _current_name(preset: str) -> str:
    if preset not in RENAMED:
        return preset
    logger.warning(f"the preset {preset} is now called {RENAMED[preset]}")
    return RENAMED[preset]


def _with_diameter(
    settings: BaseModel | Mapping[str, Any] | None, diameter: float
) -> Mapping[str, Any]:
    """Settings by name, with the diameter among them."""
    values = settings if settings is None or isinstance(settings, Mapping) else dict(settings)
    return {**(values or {}), "diameter": diameter}


def _check_own_folder(labeler: Labeler, data: Dataset, out: Path | str | None) -> None:
    if labeler.own_folder and (out is None or Path(out).resolve() == data.root.resolve()):
        what, why = labeler.own_folder
        raise InputError(
            f"{what} without a folder of their own", f"a new folder, {why}", "give `out`"
        )


def _write_quality(rows: list[dict[str, Any]], target: Path) -> None:
    from sparcell.io.tables import write_rows

    # Scripts that were written for earlier versions read the former names, too; they stand last.
    columns = {name: name for row in rows for name in row}
    columns |= {former: name for former, name in FORMER_NAMES.items() if name in columns}
    written = [
        {column: _rounded(row.get(name)) for column, name in columns.items()} for row in rows
    ]
    write_rows(written, target / "quality.csv")


def _rounded(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value


def _summarize(rows: list[dict[str, Any]], target: Path) -> None:
    accepted = [row for row in rows if row["accepted"]]
    for row in rows:
        if not row["accepted"]:
            logger.warning(f"{row['name']}: refused, {row['reason']}")
    count = sum(int(row.get("count") or 0) for row in accepted)
    logger.info(
        f"{len(accepted)} of {counted(len(rows), 'image')} accepted"
        + (f", {counted(count, 'object')}" if count else "")
        + f". Look at them: {target / 'contact_sheet.png'}"
    )
