"""sparcell evaluate: predictions against truth."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from sparcell.evaluation import CorrelationWindows

logger = logging.getLogger(__name__)

GROUPS, OBJECTS, TRACKS = "Groups of images", "Objects", "Tracks"
WRITTEN, STAINS = "Tables and pictures", "Stains"
SMALLEST_WINDOW = 8
"""Side of the smallest window of a stain that can be correlated, px."""


class TrackRules(StrEnum):
    """How tracks in parts are read."""

    traccuracy = "traccuracy"
    ctc = "ctc"


class Overlay(StrEnum):
    """Contents of the pictures."""

    pixels = "pixels"
    errors = "errors"


def evaluate(
    truth: Path = typer.Argument(..., help="Folder of true label images, or one of them."),
    prediction: Path = typer.Argument(..., help="Folder of predicted label images, or one."),
    ignore: Path = typer.Option(
        None, help="Folder of masks; pixels that are not zero are left out."
    ),
    fields: list[str] = typer.Option(
        [],
        metavar="NAME",
        help="Only this image; repeat the option for several; * matches any text.",
    ),
    by: str = typer.Option(
        "",
        metavar="COLUMN",
        help="Also score the groups that this column of split.csv names.",
        rich_help_panel=GROUPS,
    ),
    groups: Path = typer.Option(
        None,
        metavar="CSV",
        help="Table with COLUMN; by default split.csv of the truth's dataset.",
        rich_help_panel=GROUPS,
    ),
    rules: str = typer.Option(
        "cui2020",
        metavar="[cui2020|toolbox]",
        help="Rules of the error classes: of Cui 2020 or of deepcell-toolbox.",
        rich_help_panel=OBJECTS,
    ),
    min_size: int = typer.Option(
        0,
        min=0,
        help="Leave out smaller objects of truth and prediction, px.",
        rich_help_panel=OBJECTS,
    ),
    detect_within: float = typer.Option(
        None,
        metavar="PX",
        help="Also report the particles detected within PX pixels.",
        rich_help_panel=OBJECTS,
    ),
    size_edges: str = typer.Option(
        "5,20,100",
        help="Borders between the size classes of particles, in px of area.",
        rich_help_panel=OBJECTS,
    ),
    boundaries: bool = typer.Option(
        False,
        help="Also say how far the outlines of matched objects lie from each other, px.",
        rich_help_panel=OBJECTS,
    ),
    json: Path = typer.Option(None, "--json", help="JSON file for all scores."),
    errors: Path = typer.Option(
        None, help="File for a table of all objects and their errors.", rich_help_panel=WRITTEN
    ),
    overlays: Path = typer.Option(
        None, help="Folder for images of correct and wrong pixels.", rich_help_panel=WRITTEN
    ),
    overlay: Overlay = typer.Option(
        Overlay.pixels,
        help="Colour each pixel, or each object by its error.",
        rich_help_panel=WRITTEN,
    ),
    tracks: bool = typer.Option(
        False,
        "--tracks",
        help="Both are tracked movies: score links, divisions and whole tracks.",
        rich_help_panel=TRACKS,
    ),
    track_rules: TrackRules = typer.Option(
        TrackRules.traccuracy,
        help="With --tracks: an only daughter continues her mother's track, or (ctc, as in the Cell"
        " Tracking Challenge) counts as a division.",
        rich_help_panel=TRACKS,
    ),
    stain: bool = typer.Option(
        False,
        "--stain",
        help="Both are images of a stain: correlate their intensities.",
        rich_help_panel=STAINS,
    ),
    more_truth: list[Path] = typer.Option(
        [],
        "--and",
        metavar="DIR",
        help="With --stain: folder of a further stain, in their order.",
        rich_help_panel=STAINS,
    ),
    windows: int = typer.Option(
        None,
        metavar="PX",
        help="With --stain: compare five windows of PX pixels with few nuclei.",
        rich_help_panel=STAINS,
    ),
    nuclei: Path = typer.Option(
        None,
        metavar="DIR",
        help="With --windows: label images of nuclei, by the stains' names.",
        rich_help_panel=STAINS,
    ),
) -> None:
    """Score label images, tracks or stains against true ones."""
    from sparcell.core.errors import InputError
    from sparcell.core.files import write_json
    from sparcell.core.progress import console
    from sparcell.evaluation import evaluate as run
    from sparcell.evaluation import read_groups
    from sparcell.evaluation.in_words import count_sentences
    from sparcell.io import write_table

    if (windows or nuclei) and not stain:
        raise InputError("--windows without --stain", "images of a stain", "add --stain")
    if groups and not by:
        raise InputError("--groups without --by", "both", "name the column with --by")
    if tracks:
        if stain or by or ignore or min_size:
            raise InputError(
                "--tracks with --stain, --by, --ignore or --min-size",
                "tracked movies",
                "leave the others out",
            )
        _evaluate_tracks(truth, prediction, fields, track_rules, json)
        return
    if stain:
        if by:
            raise InputError("--by with --stain", "label images", "leave one of them out")
        compared = _stain_windows(windows, nuclei)
        _evaluate_stains([truth, *more_truth], prediction, ignore, fields, compared, json)
        return
    grouped = read_groups(by, truth, groups) if by else None
    result = run(
        truth,
        prediction,
        ignore=ignore,
        fields=fields,
        rules=rules,
        min_size=min_size,
        overlays=overlays,
        overlay=overlay.value,
        skip_failures=True,
    )
    console.print(result.table(grouped))
    scores = result.to_json(grouped)
    if scores["count"]["truth"]:
        console.print(" ".join(count_sentences(scores)))
    if by or fields:
        console.print(result.ratio_table(grouped, images=bool(fields)))
    further: dict[str, dict[str, Any]] = {}
    if detect_within is not None:
        edges = _whole_numbers(size_edges)
        further["detection"] = {"metric": "detection", "radius": detect_within, "size_edges": edges}
    if boundaries:
        further["boundaries"] = {"metric": "boundary"}
    for key, asked in further.items():
        asked |= {"ignore": ignore, "fields": fields, "min_size": min_size}
        found: Any = run(truth, prediction, skip_failures=True, **asked)
        console.print(found.table())
        # The files are those of the whole report.
        how = {"settings": found.provenance["settings"]}
        scores[key] = found.to_json() | {"provenance": how}
    if json:
        write_json(json, scores)
    if errors and result.objects is not None:
        write_table(result.objects, errors)
    _report_failures(result.failures)


def _evaluate_tracks(
    truth: Path, prediction: Path, fields: list[str], rules: TrackRules, json: Path | None
) -> None:
    """Score tracked movies."""
    from sparcell.core.files import write_json
    from sparcell.core.progress import console
    from sparcell.evaluation import evaluate as run

    tracked = run(truth, prediction, metric="tracks", fields=fields, rules=rules.value)
    console.print(tracked.table())
    if json:
        write_json(json, tracked.to_json())


def _evaluate_stains(
    truth: list[Path],
    prediction: Path,
    ignore: Path | None,
    fields: list[str],
    windows: CorrelationWindows | None,
    json: Path | None,
) -> None:
    """Score predicted stains, the true ones in the order of the channels."""
    from sparcell.core.files import write_json
    from sparcell.core.progress import console
    from sparcell.evaluation import evaluate as run

    correlated = run(
        truth,
        prediction,
        metric="stain",
        ignore=ignore,
        fields=fields,
        windows=windows,
        skip_failures=True,
    )
    console.print(correlated.table())
    if json:
        write_json(json, correlated.to_json())
    _report_failures(correlated.failures)


def _stain_windows(size: int | None, nuclei: Path | None) -> CorrelationWindows | None:
    """Return the windows to compare; None where the options name none."""
    from sparcell.core.errors import InputError
    from sparcell.evaluation import CorrelationWindows

    if size is None and nuclei is None:
        return None
    if size is None or nuclei is None or size < SMALLEST_WINDOW:
        raise InputError(
            f"--windows or --nuclei alone, or windows below {SMALLEST_WINDOW} px",
            "both: the size of the windows, and where nuclei are",
            "for example --windows 512 --nuclei mydata/labels",
        )
    return CorrelationWindows(nuclei, size)


def _report_failures(failures: Mapping[str, str]) -> None:
    """List what has no scores, and end with exit code 2 if there is any."""
    from sparcell.core.text import about, counted

    if failures:
        logger.warning(f"{counted(len(failures), 'image')} without scores:")
        for name, reason in failures.items():
            logger.warning(f"  {about(name, reason)}")
        raise typer.Exit(2)


def _whole_numbers(text: str) -> list[int]:
    from sparcell.core.errors import InputError

    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(
            f"--size-edges {text}", "whole numbers between commas", "try 5,20,100"
        ) from None
