"""A well that was joined from tiles is scored against a truth of another size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.tracks import Track, TrackedMovie
from sparcell.evaluation.track_matching import match_movies
from sparcell.evaluation.tracked_movies import find_movies
from sparcell.evaluation.tracks import score_tracks
from sparcell.evaluation.well_alignment import find_corner
from sparcell.io import write_image

SHAPE = (150, 180)


@pytest.fixture(scope="module")
def truth() -> TrackedMovie:
    """Twenty discs, of which each moves its own way."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    start = np.array([(20 + 28 * (k // 5), 18 + 33 * (k % 5)) for k in range(20)])
    speed = rng.uniform(-2, 2, (20, 2))
    labels = np.zeros((4, *SHAPE), np.int32)
    for t in range(4):
        for one, (row, column) in enumerate(start + t * speed, 1):
            labels[t][np.hypot(y - row, x - column) < 7] = one
    tracks = tuple(Track(one, 0, 3, 0) for one in range(1, 21))
    return TrackedMovie(Image(labels, "TYX"), tracks)


def joined(truth: TrackedMovie, margin: tuple[int, int, int, int]) -> np.ndarray:
    """The truth with so many px more on top, left, below and right; fewer where below 0."""
    top, left, below, right = margin
    labels = np.pad(truth.objects.data, ((0, 0), (20, 20), (20, 20)))
    height, width = SHAPE
    return labels[:, 20 - top : 20 + height + below, 20 - left : 20 + width + right]


@pytest.mark.parametrize("margin", [(6, 9, 4, 2), (-5, 3, 8, -4)])
def test_a_joined_well_is_placed_in_its_truth(truth, margin):
    labels = joined(truth, margin)
    assert find_corner(truth.objects, Image(labels, "TYX")) == margin[:2]
    well = TrackedMovie(Image(labels, "TYX"), truth.tracks, "w", is_joined=True)
    scores = score_tracks(truth, well)
    assert scores.objects == 80
    assert scores.complete >= 18
    assert scores.lnk > 0.97
    # A field that is no well is not moved about.
    with pytest.raises(InputError, match="of the same frames and size"):
        match_movies(truth, TrackedMovie(Image(labels, "TYX"), truth.tracks, "w"))


def test_other_cells_are_refused(truth):
    labels = np.zeros((4, 200, 200), np.int32)
    labels[:, 90:95, 90:95] = 1
    other = TrackedMovie(Image(labels, "TYX"), (Track(1, 0, 3, 0),), "w", is_joined=True)
    with pytest.raises(InputError, match="no place in w"):
        match_movies(truth, other)
    few = TrackedMovie(Image(labels[:3], "TYX"), (Track(1, 0, 2, 0),), "w", is_joined=True)
    with pytest.raises(InputError, match="3 frames in w, and 4 in the truth"):
        match_movies(truth, few)


def test_the_table_of_tiles_tells_which_wells_are_joined(truth, tmp_path):
    write_image(tmp_path / "labels" / "B03.tif", truth.objects.data.astype(np.uint16), axes="TYX")
    rows = [("B03", track.id, track.parent, track.first, track.last) for track in truth.tracks]
    tracks = pd.DataFrame(rows, columns=["movie", "track", "parent", "first", "last"])
    tracks.to_csv(tmp_path / "tracks.csv", index=False)
    assert not find_movies(tmp_path)["B03"].is_joined
    tiles = pd.DataFrame({"movie": "B03", "tile": [1, 1, 2, 2], "t": [0, 1, 0, 1]})
    tiles.to_csv(tmp_path / "tiles.csv", index=False)
    assert find_movies(tmp_path)["B03"].is_joined
