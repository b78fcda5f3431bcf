"""Channels and times in what stands before the names of wells, such as the folder of each channel.

Images ``DAPI/exp_B03_s1.tif`` and ``GFP/exp_B03_s1.tif`` get the names ``DAPI_exp_B03_s1`` and so
on. Whatever stands before the well is called a plate, unless it says what else it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

_CHANNEL = (
    r"dapi|hoechst[ -]?\d*|draq5|sytox(?: ?green)?|syto\d+|[a-z]{0,2}gfp|[cyrb]fp|mcherry|tdtomato"
    r"|mko2?|mvenus|venus|fitc|tritc|texas ?red|cy ?[357](?:\.5)?|(?:alexa(?: ?fluor)?|af) ?\d{3}"
    r"|cell ?mask|phase(?: ?contrast)?|phc?|brightfield|bright[ _-]field|bf|dic|trans(?:mitted)?"
    r"|tl|tlp|red|green|blue|orange|nir|far ?red|c\d|ch(?:annel)?[ _-]?\d+|w\d"
)


class Meaning(NamedTuple):
    """A meaning of a prefix, or of one end of it.

    Attributes
    ----------
    column : str
    words : str
        Regular expression; its first group, if any, is the value.
    value : callable
        Makes the text of the column of that.
    """

    column: str
    words: str
    value: Callable[[str], str] = str


MEANINGS = (
    Meaning("channel", rf"({_CHANNEL})"),
    Meaning("time", r"(\d+) ?h(?:ours?|rs?)?", lambda text: f"0d{text}h"),
    Meaning("time", r"days?[ _-]?(\d+)", lambda text: f"{text}d0h"),
    Meaning("time", r"t(?:ime)?[ _-]?(?:point)?[ _-]?(\d+)"),
    Meaning("depth", r"(?:z|depth|slice|plane)[ _-]?(\d+)"),
)


def read_prefixes(table: pd.DataFrame) -> None:
    """Move channels, times and depths from the column plate to their own.

    Parameters
    ----------
    table : DataFrame
        With the column plate, as text; changed in place. Columns of several values stay.
    """
    if "channel" in table and (table["channel"] == "").any():
        # The form of names knows only some of these words: IncuCyte's "phase" beside "DAPI".
        whole = table["plate"].str.cat(table["channel"], "_").str.strip("_")
        table["plate"] = whole
        del table["channel"]
    for meaning in MEANINGS:
        if meaning.column in table and table[meaning.column].nunique() > 1:
            continue
        # The end is the innermost folder or the file's own prefix, the beginning the outermost.
        for pattern in (rf"(?:(.*)[_ -])?{meaning.words}", rf"{meaning.words}(?:[_ -](.*))?"):
            found = [re.fullmatch(pattern, text, re.IGNORECASE) for text in table["plate"]]
            matches = [match for match in found if match]
            if len(matches) < len(found):
                continue
            value, rest = (2, 1) if pattern.startswith("(?:(.*)") else (1, 2)
            table[meaning.column] = [meaning.value(match[value]) for match in matches]
            table["plate"] = [match[rest] or "" for match in matches]
            break
