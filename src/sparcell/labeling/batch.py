"""Label a whole dataset folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparcell.annotations.labelled_dataset import VERB, no_pairs
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.core.progress import track
from sparcell.core.record import now, start_record
from sparcell.labeling.folder import check_target, link_dataset, prepare

if TYPE_CHECKING:
    from pandas import DataFrame

    from sparcell.classical.auto import AutoSettings
    from sparcell.classical.salomon2023 import Salomon2023Settings
    from sparcell.labeling.contact_sheet import ContactSheet
    from sparcell.labeling.field import FieldResult
    from sparcell.labeling.points_to_outlines import ProposalSettings
    from sparcell.labeling.quality import QualitySettings

logger = logging.getLogger(__name__)

PRESETS = ("auto", "salomon2023", "cellpose", "cellpose:FILE")
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
    settings: AutoSettings | Salomon2023Settings | ProposalSettings | None = None,
    quality: QualitySettings | None = None,
) -> DataFrame:
    """Turn the stains or points of a dataset folder into labels, with a result on each field.

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
        into crops, and proposals from points, which are to be corrected first, need one.
    preset : str
        How nuclei are found in a stain: ``auto``; ``salomon2023``; ``cellpose``, by that tool where
        it is installed; or ``cellpose:FILE``, with these weights. Outlines of Cellpose stay as they
        are and are judged as those of ``auto``.
    source : {"stain", "points"}
        ``points``: propose an outline for each point (`propose_field`). The other way round,
        ``AutoSettings(to="points")`` makes points of a stain (`place_points`).
    diameter : float, optional
        Typical diameter of a nucleus in px, instead of the estimate (preset ``auto``).
    overwrite : bool
        Replace the labels of an earlier run of this function. Labels of any other origin are
        never touched.
    settings : AutoSettings or Salomon2023Settings or ProposalSettings, optional
        Further settings of the preset, or of proposals from points.
    quality : QualitySettings, optional
        Limits of the quality gate (not of the preset ``salomon2023``).

    Returns
    -------
    DataFrame
        The rows of ``quality.csv``: name, accepted, reason, preset, strategy, why, and figures.

    Raises
    ------
    InputError
        If the preset is unknown, no field has image and stain, or the place to write to holds
        other labels.
    """
    # Started by the command line, so the heavy part loads only when there is work.
    from sparcell.labeling.contact_sheet import ContactSheet

    if preset in RENAMED:
        logger.warning(f"the preset {preset} is now called {RENAMED[preset]}")
        preset = RENAMED[preset]
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(Path(dataset))
    _check_request(data, out, preset, source, (diameter, quality))
    pairs = data.having(source)
    options: Any = _resolve(preset if source == "stain" else source, diameter, settings)
    kind = getattr(options, "to", "labels")
    if kind == "points":
        _check_own_folder(data, out, "points from a stain", "where they are looked at first")
    column = _group_column(pairs, options) if preset == "salomon2023" else None
    target = check_target(data, None if out is None else Path(out), overwrite, kind)
    prepare(target)
    used = [sample.files[source].path for sample in pairs.samples]
    chosen = {"source": source, **({"preset": preset} if source == "stain" else {})}
    record = start_record({**chosen, **options.model_dump(mode="json")}, used)
    record = {"verb": VERB, **record, "dataset": str(data.root), "finished": None}
    write_json(target / "record.json", record)
    for sample in data.samples:
        if source not in sample.files:
            logger.warning(f"{sample.name}: no {source}, not labelled")

    sheet = ContactSheet(target / "contact_sheet.png")
    if source == "stain" and preset == "salomon2023":
        table = _label_crops(pairs, target, options, column, sheet)
    else:
        table = _label_fields(pairs, target, options, quality, sheet)
        if target.resolve() != data.root.resolve():
            link_dataset(data, target, kind)
    sheet.flush()
    frame = _write_quality(table, target)
    write_json(target / "record.json", record | {"finished": now()})
    _summarize(frame, target)
    return frame


def _check_request(
    data: Dataset, out: Path | str | None, preset: str, source: str, for_stains: tuple[Any, ...]
) -> None:
    if source not in SOURCES:
        raise InputError(f"labels from '{source}'", "from stain or points", "choose one")
    tool, colon, file = preset.partition(":")
    if tool not in PRESETS or (colon and (tool != "cellpose" or not file)):
        raise InputError(f"preset '{preset}'", "one of " + ", ".join(PRESETS), "choose one")
    if source == "points":
        if preset != "auto" or any(option is not None for option in for_stains):
            raise InputError(
                "settings of stains for labels from points",
                "neither preset, diameter nor limits of quality",
                "leave them out",
            )
        if not len(data.having("points")):
            raise InputError(
                f"no points in {data.root}",
                "tables with y and x in points/",
                "add them, or bring them there with `sparcell import`",
            )
        why = "where they are corrected before anything learns from them"
        _check_own_folder(data, out, "proposed outlines", why)
        return
    if not len(data.having("stain")):
        raise no_pairs(data)
    if preset == "salomon2023":
        _check_own_folder(data, out, "preset salomon2023", "for the crops")


def _check_own_folder(data: Dataset, out: Path | str | None, what: str, why: str) -> None:
    if out is None or Path(out).resolve() == data.root.resolve():
        raise InputError(
            f"{what} without a folder of their own", f"a new folder, {why}", "give one with -o"
        )


def _resolve(preset: str, diameter: float | None, settings: Any) -> Any:
    from sparcell.classical.auto import AutoSettings
    from sparcell.classical.salomon2023 import Salomon2023Settings
    from sparcell.classical.strategies import find_strategy
    from sparcell.labeling.points_to_outlines import ProposalSettings

    kinds = {"salomon2023": Salomon2023Settings, "points": ProposalSettings}
    kind = kinds.get(preset, AutoSettings)
    if settings is not None and not isinstance(settings, kind):
        raise InputError(
            f"{type(settings).__name__} for labels by {preset}", kind.__name__, "give these"
        )
    options = settings or kind()
    if isinstance(options, AutoSettings):
        if preset != "auto":
            options = options.model_copy(update={"strategies": (preset,)})
        for name in options.strategies:
            # Raises if there is none of this name, before any field is touched.
            find_strategy(name)
    if diameter is None:
        return options
    if preset == "salomon2023":
        raise InputError(
            "a diameter for the preset salomon2023", "its fixed range", "leave it out, or use auto"
        )
    if not diameter > 2:
        raise InputError(f"a diameter of {diameter:g} px", "more than 2 px", "correct it")
    return options.model_copy(update={"diameter": float(diameter)})


def _label_fields(
    pairs: Dataset,
    target: Path,
    settings: AutoSettings | ProposalSettings,
    quality: QualitySettings | None,
    sheet: ContactSheet,
) -> list[dict[str, Any]]:
    """Label field by field, from stains or from points as the settings are."""
    from sparcell.labeling.field import label_field
    from sparcell.labeling.nuclei_to_points import place_points
    from sparcell.labeling.points_to_outlines import ProposalSettings, propose_field
    from sparcell.labeling.quality import QualitySettings

    limits = quality or QualitySettings()
    preset = "points" if isinstance(settings, ProposalSettings) else settings.preset
    rows = []
    for sample in track(pairs.samples, "labelling", len(pairs), "fields"):
        try:
            if isinstance(settings, ProposalSettings):
                result = propose_field(sample, target, settings)
            else:
                write = place_points if settings.to == "points" else label_field
                result = write(sample, target, settings, limits)
        except Exception as error:
            result = _unusable(sample, preset, error)
        sheet.add(result.thumbnail)
        rows.append(result.row)
    return rows


def _group_column(pairs: Dataset, settings: Salomon2023Settings) -> str | None:
    from sparcell.labeling.crops import group_column

    return group_column(pairs, settings.by)


def _label_crops(
    pairs: Dataset,
    target: Path,
    settings: Salomon2023Settings,
    column: str | None,
    sheet: ContactSheet,
) -> list[dict[str, Any]]:
    from sparcell.labeling.crops import apply_filter, label_crops, write_crop_split

    results: list[FieldResult] = []
    origin: list[Sample] = []
    failed: list[FieldResult] = []
    for sample in track(pairs.samples, "labelling", len(pairs), "fields"):
        try:
            for result in label_crops(sample, target, settings):
                results.append(result)
                origin.append(sample)
        except Exception as error:
            failed.append(_unusable(sample, "salomon2023", error))
    groups = [sample.info.get(column, "") if column else "" for sample in origin]
    results = apply_filter(results, settings, groups)
    write_crop_split(pairs, results, origin, target)
    for result in [*results, *failed]:
        sheet.add(result.thumbnail)
    return [result.row for result in [*results, *failed]]


def _unusable(sample: Sample, preset: str, error: Exception) -> FieldResult:
    from sparcell.labeling.contact_sheet import Thumbnail
    from sparcell.labeling.field import FieldResult

    said = " ".join(str(error).split())
    if not isinstance(error, InputError):
        said = f"a fault of Sparcell's, {type(error).__name__} {said}"
    reason = f"unusable: {said}"
    row = {"name": sample.name, "accepted": False, "reason": reason, "preset": preset}
    return FieldResult(row, Thumbnail(sample.name, reason))


def _write_quality(rows: list[dict[str, Any]], target: Path) -> DataFrame:
    import pandas

    from sparcell.io import write_table

    frame = pandas.DataFrame(rows)
    write_table(frame.round(5), target / "quality.csv")
    return frame


def _summarize(frame: DataFrame, target: Path) -> None:
    for row in frame[~frame["accepted"]].to_dict("records"):
        logger.warning(f"{row['name']}: refused, {row['reason']}")
    logger.info(
        f"{int(frame['accepted'].sum())} of {len(frame)} accepted; see {target}/contact_sheet.png"
    )
