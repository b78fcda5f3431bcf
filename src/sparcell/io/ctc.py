"""Folders of the Cell Tracking Challenge: a label image per frame, and a table of tracks.

::

    01_GT/TRA/man_track000.tif ...  man_track.txt     truth
    01_RES/mask000.tif ...          res_track.txt     result

Pixels hold track ids. A line of the table is ``L B E P``: track, first and last frame, parent or 0
(Maška et al. 2014, Ulman et al. 2017).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.image_ref import ImageRef
from sparcell.core.tracks import Track, TrackedMovie, check_tracks
from sparcell.io.frame_stack import open_frames
from sparcell.io.writing import write_image

Kind = Literal["truth", "result"]
TABLES = {"man_track.txt": "man_track", "res_track.txt": "mask"}
"""Tables of tracks, and how the names of the label images beside them begin."""
WRITTEN: dict[Kind, str] = {"truth": "man_track.txt", "result": "res_track.txt"}
LARGEST_CTC_ID = int(np.iinfo(np.uint16).max)
"""The format stores ids in 16 bits."""


def find_ctc(folder: Path) -> Path | None:
    """Return the folder with the table of tracks: `folder`, or TRA in it; None if neither has."""
    for place in (folder, folder / "TRA"):
        if any((place / name).is_file() for name in TABLES):
            return place
    return None


def read_ctc(folder: Path) -> TrackedMovie:
    """Open a truth or a result of the Cell Tracking Challenge; pixels are read on demand.

    Raises
    ------
    InputError
        If it has no table of tracks, its table is damaged, frames are missing or cannot be read.
    """
    place = find_ctc(folder)
    if place is None:
        raise InputError(
            f"no man_track.txt or res_track.txt in {folder}",
            "a folder of the Cell Tracking Challenge, such as 01_GT or 01_RES",
            "check the path",
        )
    table, begin = next((t, b) for t, b in TABLES.items() if (place / t).is_file())
    tracks = read_tracks(place / table)
    frames = _list_frames(place, begin)
    last = max((track.last for track in tracks), default=0)
    if last >= len(frames):
        raise InputError(
            f"a track that ends in frame {last} in {place / table}, and {len(frames)} frames",
            f"frames up to {last}",
            "add the label images that are missing",
        )
    image = open_frames([ImageRef(path) for path in frames], labels=True)
    return TrackedMovie(image, tracks, str(place))


def read_tracks(path: Path) -> tuple[Track, ...]:
    """Read a table of tracks: four whole numbers ``L B E P`` in each line.

    Raises
    ------
    InputError
        If it cannot be read, or its tracks contradict each other; see `check_tracks`.
    """
    try:
        lines = path.read_text("utf8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"no table of tracks {path}", "a text file", "check the path") from error
    tracks = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 4 or not all(re.fullmatch(r"\d+", word) for word in words):
            raise InputError(
                f"'{line.strip()[:40]}' in line {number} of {path}",
                "four whole numbers: track, first frame, last frame, parent or 0",
                "correct it",
            )
        tracks.append(Track(*map(int, words)))
    return check_tracks(tracks, str(path))


def write_tracks(path: Path, tracks: Iterable[Track]) -> None:
    """Write a table of tracks, completely or not at all."""
    text = "".join(" ".join(map(str, track)) + "\n" for track in sorted(tracks))
    with whole_file(path) as partial:
        partial.write_text(text, "utf8")


def write_ctc(
    folder: Path,
    frames: Iterable[NDArray[Any]],
    tracks: Sequence[Track],
    kind: Kind = "result",
) -> None:
    """Write a movie as a truth or a result of the Cell Tracking Challenge.

    The format knows no gaps: a track that is absent in some frames is written as several, each the
    only daughter of the one before.

    Parameters
    ----------
    folder : Path
        Such as ``01_RES``; a truth is written into TRA in it.
    frames : iterable of (Y, X) integer
        Label images whose ids are those of `tracks`, in the order of time.
    tracks : sequence of Track
    kind : {"result", "truth"}

    Raises
    ------
    InputError
        If an id needs more than 16 bits, the tracks contradict each other, or the place cannot be
        written.
    """
    tracks = check_tracks(tracks, "the tracks")
    place, table = folder / "TRA" if kind == "truth" else folder, WRITTEN[kind]
    renumbering = _GapRenumbering(tracks)
    for number, labels in enumerate(frames):
        renumbered = renumbering.frame(number, np.asarray(labels))
        write_image(place / f"{TABLES[table]}{number:03d}.tif", renumbered, axes="YX")
    write_tracks(place / table, renumbering.tracks())


class _GapRenumbering:
    """Gives tracks that reappear after a gap a new id, frame by frame."""

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._parent = {track.id: track.parent for track in tracks}
        self._next = max(self._parent, default=0) + 1
        # By id in the movie: id of the track that is written, and the frame it was last seen in.
        self._current: dict[int, int] = {}
        self._rows: dict[int, list[int]] = {}

    def frame(self, number: int, labels: NDArray[Any]) -> NDArray[np.uint16]:
        """Return the labels of a frame with the ids that are written."""
        ids = np.unique(labels)
        written = np.zeros(len(ids), np.int64)
        for position, one in enumerate(ids.tolist()):
            if one:
                written[position] = self._enter(number, one)
        if written.max(initial=0) > LARGEST_CTC_ID:
            raise InputError(
                f"track id {written.max()}",
                f"at most {LARGEST_CTC_ID} in the format of the Cell Tracking Challenge",
                "write the movie in parts",
            )
        return written[np.searchsorted(ids, labels)].astype(np.uint16)

    def _enter(self, number: int, one: int) -> int:
        if one not in self._parent:
            raise InputError(
                f"id {one} in frame {number}, which no track has", "ids of tracks", "correct it"
            )
        current = self._current.get(one)
        if current is None:
            current, parent = one, self._current.get(self._parent[one], 0)
        elif self._rows[current][1] < number - 1:
            current, parent = self._next, current
            self._next += 1
        else:
            self._rows[current][1] = number
            return current
        self._rows[current] = [number, number, parent]
        self._current[one] = current
        return current

    def tracks(self) -> tuple[Track, ...]:
        """Return the tracks that were written."""
        return tuple(Track(one, *row) for one, row in self._rows.items())


def _list_frames(place: Path, begin: str) -> list[Path]:
    """Label images of all frames, in order.

    Raises
    ------
    InputError
        If one is missing.
    """
    numbered = dict(sorted(_numbered(place, begin)))
    if not numbered:
        raise InputError(
            f"no {begin}000.tif in {place}", "a label image for each frame", "add them"
        )
    missing = sorted(set(range(max(numbered) + 1)) - set(numbered))
    if missing:
        raise InputError(
            f"no frame {missing[0]} ({begin}{missing[0]:03d}.tif) in {place}, which has "
            f"{len(numbered)} frames up to {max(numbered)}",
            "a label image for each frame from 0",
            "add the missing ones",
        )
    return list(numbered.values())


def _numbered(place: Path, begin: str) -> Iterator[tuple[int, Path]]:
    for path in place.glob(f"{begin}*.tif"):
        if match := re.fullmatch(rf"{begin}(\d+)\.tif", path.name):
            yield int(match[1]), path
