"""Reads wells, fields, times and channels from the file names of microscope makers.

`FORMS` has a row for each form of a file name. The named groups of its regular expression are
``well``, or ``row`` and ``column`` (numbers from 1; ``row0`` and ``column0`` from 0); ``tile``
(field of view in the well, also called site or position); ``channel``, ``depth`` and ``time``;
``thumbnail`` (the file is a small copy of another); and ``plate``, whatever stands before these.

`FOLDERS` has the folders that carry meaning. Results of images in several folders have the folder
in their names, see `sparcell.io.result_names`: ``TimePoint_2_exp_B03_s1_w1``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sparcell.core.image_files import stem

_PLATE = r"(?:(?P<plate>.+)[_-])?"
_WELL = r"(?P<well>(?:[A-P]|A[A-F])\d{1,2})"
ELAPSED = r"(?:\d+d)?\d+h(?:\d+m)?"
DATE = r"\d{4}y\d{2}m\d{2}d_\d{2}h\d{2}m"
# IncuCyte's own names of its images; any other word before the well is the user's.
_INCUCYTE = (
    r"(?:(?P<plate>.+?)[_-])??"
    r"(?:(?P<channel>phase(?:original)?|brightfield|green|red|orange|nir|far ?red)_)?"
    rf"{_WELL}_(?P<tile>\d+)"
)
_GUID = r"[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}"
_THUMBNAIL = r"(?P<thumbnail>_?thumb(?:nail)?)?"


def _somewhere(before: str, value: str) -> str:
    """Match what stands between separators anywhere in the rest of the name, or is absent."""
    return rf"(?:(?=.*[_-]{before}{value}(?:[_-]|$))|)"


def _later(letter: str, group: str) -> str:
    """Match a letter and its number somewhere in a run such as ``_t001c1``, or nothing."""
    return rf"(?:(?=(?:_?[a-z]{{1,2}}\d+)*?_?{letter}(?P<{group}>\d+)(?!\d))|)"


class Form(NamedTuple):
    """A form of a file name.

    Attributes
    ----------
    maker : str
        Who writes it.
    example : str
        A name of this form, without suffix.
    pattern : str
        Regular expression of a whole name, whose letters may be small or capital.
    """

    maker: str
    example: str
    pattern: str


FORMS = (
    Form(
        "IncuCyte, elapsed time",
        "EXPT_B3_1_00d04h00m",
        rf"{_INCUCYTE}(?:_(?P<time>{ELAPSED}))?",
    ),
    Form(
        "IncuCyte, date",
        "Phase_B3_1_2023y05m17d_08h00m",
        rf"{_INCUCYTE}_(?P<time>{DATE})",
    ),
    Form(
        "PerkinElmer Operetta, Opera",
        "r02c03f01p01-ch1sk1fk1fl1",
        r"(?:(?P<plate>.+)_)?r(?P<row>\d{2})c(?P<column>\d{2})f(?P<tile>\d+)(?:p(?P<depth>\d+))?"
        r"(?:.*?-ch(?P<channel>\d+))?(?:.*?(?:sk|t)(?P<time>\d+).*|.*)",
    ),
    Form(
        "row, column and field",
        "r2_c3_f1",
        r"(?:(?P<plate>.+)_)?r(?P<row>\d+)_c(?P<column>\d+)_f(?P<tile>\d+)"
        + _somewhere("z", r"(?P<depth>\d+)")
        + _somewhere("(?:w|ch)", r"(?P<channel>\d+)")
        + _somewhere("t", r"(?P<time>\d+)")
        + r"(?:[_-].*)?",
    ),
    Form(
        "Opera, plates of .flex files",
        "002003001",
        r"(?!000|\d{3}000)(?P<row>0[0-2]\d|03[0-2])(?P<column>0[0-4]\d)(?P<tile>\d{3})",
    ),
    Form(
        "ImageXpress",
        "plate_B03_s1_w1",
        # A channel is one digit; what follows it at once is the file's own number.
        rf"{_PLATE}{_WELL}_s(?P<tile>\d+)(?:_w(?P<channel>\d))?{_THUMBNAIL}_?(?:{_GUID})?",
    ),
    Form(
        "ImageXpress, one site",
        "plate_B03_w1",
        rf"{_PLATE}{_WELL}_w(?P<channel>\d){_THUMBNAIL}_?(?:{_GUID})?",
    ),
    Form(
        "Yokogawa CV7000, CV8000",
        "plate_B03_T0001F001L01A01Z01C01",
        rf"{_PLATE}{_WELL}_T(?P<time>\d+)F(?P<tile>\d+)L\d+A\d+Z(?P<depth>\d+)C(?P<channel>\d+)",
    ),
    Form(
        "Yokogawa CV1000",
        "W1F001T0001Z01C1",
        r"(?:(?P<plate>.+)_)?(?P<well>W\d+)F(?P<tile>\d+)T(?P<time>\d+)Z(?P<depth>\d+)"
        r"C(?P<channel>\d+)",
    ),
    Form(
        "GE InCell",
        "B - 3(fld 1 wv DAPI - DAPI z 1 time 1 - 0 ms)",
        r"(?:(?P<plate>.+)_)?(?P<well>(?:[A-P]|A[A-F])(?: - )?\d{1,2})\(fld (?P<tile>\d+)"
        r"(?: wv (?P<channel>.+?))?(?: wix \d+)?(?: z (?P<depth>\d+))?"
        r"(?:(?: ?-)? (?:time|tm) (?P<time>\d+)(?: - \d+ ms)?)?\)",
    ),
    Form(
        "EVOS",
        "scan_Plate_D_p00_z01_0_A01f00d0",
        rf"(?P<plate>.+_p\d+)(?:_z(?P<depth>\d+))?_(?P<time>\d+)_{_WELL}f(?P<tile>\d+)"
        r"d(?P<channel>\d)",
    ),
    Form(
        "BioTek Cytation, Lionheart",
        "B3_01_1_2_DAPI_001",
        rf"{_WELL}_-?\d+_\d+_(?P<tile>\d+)_(?P<channel>.+)_(?P<time>\d{{3,}})",
    ),
    Form(
        "Nikon JOBS, points of wells",
        "WellA01_PointA01_0001_ChannelDAPI_Seq0000",
        rf"Well{_WELL}_Point[A-P]\d+_(?P<tile>\d+)_Channel(?P<channel>.+?)(?:_Seq\d+)?",
    ),
    Form(
        "Nikon JOBS",
        "WellB03_ChannelDAPI_Seq0001",
        rf"Well{_WELL}_Channel(?P<channel>.+?)_Seq(?P<tile>\d+)",
    ),
    Form(
        "Cellomics, ArrayScan",
        "MFGTMP_150406100001_B03f00d0",
        rf"(?:(?P<plate>.+)_)?{_WELL}f(?P<tile>\d+)(?:d(?P<channel>\d))?",
    ),
    Form(
        "Olympus ScanR",
        "B3--W00015--P00001--Z00000--T00000--DAPI",
        rf"(?:(?P<plate>.+)_)?{_WELL}--W\d+--P(?P<tile>\d+)--Z(?P<depth>\d+)--T(?P<time>\d+)"
        r"--(?P<channel>.+)",
    ),
    Form(
        "Olympus ScanR, numbered wells",
        "--W00015--P00001--Z00000--T00000--DAPI",
        r"(?P<plate>.*?)--(?P<well>W\d+)--P(?P<tile>\d+)--Z(?P<depth>\d+)--T(?P<time>\d+)"
        r"--(?P<channel>.+)",
    ),
    Form(
        "Leica HCS A",
        "image--L0000--S00--U01--V02--J08--E00--O00--X00--Y00--T0000--Z00--C00",
        r".*?--(?P<plate>S\d+)--U(?P<column0>\d+)--V(?P<row0>\d+)(?:--[JEO]\d+)*"
        r"--(?P<tile>X\d+--Y\d+)(?:--T(?P<time>\d+))?(?:--Z(?P<depth>\d+))?"
        r"(?:--C(?P<channel>\d+))?",
    ),
    Form(
        "Micro-Manager, positions of a plate",
        "B3-Site_0_img_000000000_DAPI_000",
        rf"{_PLATE}{_WELL}-Site_(?P<tile>\d+)_img_(?P<time>\d+)_(?P<channel>.+)_(?P<depth>\d+)",
    ),
    Form(
        "Micro-Manager 2, positions of a plate",
        "B3-Site_0_img_channel000_position000_time000000000_z000",
        rf"{_PLATE}{_WELL}-Site_(?P<tile>\d+)_img_channel(?P<channel>\d+)_position.+?"
        r"_time(?P<time>\d+)_z(?P<depth>\d+)",
    ),
    Form(
        "Micro-Manager 2",
        "img_channel000_position000_time000000000_z000",
        r"(?:(?P<plate>.+)_)?img_channel(?P<channel>\d+)_position(?P<tile>.+?)_time(?P<time>\d+)"
        r"_z(?P<depth>\d+)",
    ),
    Form(
        "Micro-Manager 1",
        "Pos0_img_000000000_DAPI_000",
        r"(?:(?:(?P<plate>.+)_)?(?P<tile>(?:\d-)?Pos[\d_-]+)_)?img_(?P<time>\d{9})"
        r"_(?P<channel>.+)_(?P<depth>\d{3})",
    ),
    Form(
        "Micro-Manager, a file per position of a plate",
        "exp_MMStack_B3-Site_0",
        rf"(?P<plate>.+)_MMStack_{_WELL}-Site_(?P<tile>\d+)",
    ),
    Form(
        "Micro-Manager, a file per position",
        "exp_MMStack_Pos0",
        r"(?P<plate>.+)_MMStack_(?P<tile>(?:\d-)?Pos[\d_-]+)",
    ),
    Form(
        "well, site and others in this order of letters or another",
        "exp_B03_s1_t005_z2_w1",
        rf"{_PLATE}(?:well[_-]?)?{_WELL}[_-](?:s|f|xy|fov|pos|site|field|tile|img|image)[_-]?(?P<tile>\d+)"
        + _somewhere("z", r"(?P<depth>\d+)")
        + _somewhere("(?:w|ch?)", r"(?P<channel>\d+)")
        # The letter of the time may lack where the time follows the site at once.
        + rf"(?:(?=(?:.*[_-]t|[_-])(?P<time>{ELAPSED}|\d+)(?:[_-]|$))|)"
        + r"(?:[_-].*)?",
    ),
    # Names without wells: each position counts as one.
    Form(
        "Keyence BZ-X",
        "Image_T0001_XY01_00002_Z003_CH1",
        r"(?:(?P<plate>.+?)_)??(?:T(?P<time>\d+)_)?(?P<well>XY\d+)_(?P<tile>\d{5})"
        r"(?:_Z(?P<depth>\d+))?_(?:CH)?(?P<channel>\d|overlay)",
    ),
    Form(
        "MetaMorph",
        "exp_w1DAPI_s2_t3",
        r"(?P<plate>.+?)_w(?P<channel>\d[^_]*)_s(?P<tile>\d+)(?:_t(?P<time>\d+))?",
    ),
    Form(
        "Zeiss ZEN",
        "exp_s2_t003_c1",
        r"(?P<plate>.+?)[_-]s(?P<tile>\d+)"
        + _later("t", "time")
        + _later("z", "depth")
        + _later("c", "channel")
        + r"(?:_?[tzcmh]\d+)+(?:_ORG)?",
    ),
    Form(
        "Nikon NIS-Elements",
        "exp_t001xy02z03c1",
        r"(?P<plate>.+?)_?(?=(?:t|xy|z|c)\d)"
        + _later("t", "time")
        + _later("z", "depth")
        + _later("c", "channel")
        + r"(?:[tzc]\d+)*xy(?P<tile>\d+)(?:[tzc]\d+)*",
    ),
    Form(
        "Leica LAS X",
        "exp_Series002_t03_z04_ch01",
        r"(?P<plate>.+?)_(?:Series|Position) ?(?P<tile>\d+)(?:_t(?P<time>\d+))?"
        r"(?:_z(?P<depth>\d+))?(?:_RAW)?(?:_ch(?P<channel>\d+))?",
    ),
)

FOLDERS = (
    # MetaXpress: TimePoint_1/ZStep_1/exp_B03_s1_w1.TIF
    r"time[ _-]?point[ _-]?(?P<time>\d+)",
    r"z[ _-]?step[ _-]?(?P<depth>\d+)",
    # Micro-Manager; these are part of its forms.
    r"(?:\d-)?Pos[\d_-]+",
    r"(?:[A-P]|A[A-F])\d{1,2}-Site_\d+",
)


def match_names(names: Sequence[str]) -> list[dict[str, str]]:
    """Read names by the form that fits most of them.

    Parameters
    ----------
    names : sequence of str
        Without suffix; folders that carry meaning stand before them, joined with ``_``.

    Returns
    -------
    list of dict
        For every name that fits: ``name`` and the groups that it has, as text. Empty unless the
        form fits more than half of the names.
    """
    parts = [(name, *_split_folders(name)) for name in names]
    best: list[dict[str, str]] = []
    for form in FORMS:
        pattern = re.compile(form.pattern, re.IGNORECASE)
        rows = [
            {"name": name, **folders, **_groups(match)}
            for name, folders, rest in parts
            if (match := pattern.fullmatch(rest))
        ]
        if len(rows) > max(len(best), len(names) / 2):
            best = rows
    return best


def has_meaning(folder: str) -> bool:
    """Whether the name of a folder gives time, depth, position or well."""
    return any(re.fullmatch(pattern, folder, re.IGNORECASE) for pattern in FOLDERS)


def is_thumbnail(path: Path) -> bool:
    """Whether a file is, by its name, a small copy of another image."""
    name = stem(path)
    return "thumb" in name.lower() and any("thumbnail" in row for row in match_names([name]))


def _split_folders(name: str) -> tuple[dict[str, str], str]:
    """Take the folders that carry meaning out of a name."""
    found: dict[str, str] = {}
    for pattern in FOLDERS:
        match = re.search(rf"(?:^|(?<=_)){pattern}_", name, re.IGNORECASE)
        if match and match.groupdict():
            found |= match.groupdict()
            name = name[: match.start()] + name[match.end() :]
    return found, name


def _groups(match: re.Match[str]) -> dict[str, str]:
    groups = {key: value for key, value in match.groupdict().items() if value is not None}
    for first in (1, 0):
        row, column = ("row", "column") if first else ("row0", "column0")
        if row in groups:
            number, place = int(groups.pop(row)) - first, int(groups.pop(column)) + 1 - first
            # Row 27 of a plate of 1536 wells is AA.
            letters = "A" * (number // 26) + chr(ord("A") + number % 26)
            groups["well"] = f"{letters}{place:02d}"
    return groups
