"""Simulated wells of several tiles, and label movies with faults."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile

from sparcell.core.errors import InputError
from sparcell.io.ctc import read_ctc
from sparcell.simulation import (
    MotionSettings,
    SimulationSettings,
    WellSettings,
    add_faults,
    simulate_well,
    write_well,
)

CELLS = SimulationSettings(size=(64, 80), cells=24, nucleus_diameter=10, debris=0)
STILL = MotionSettings(drift=0, jitter=0, jump_rate=0)


@pytest.fixture(scope="module")
def still():
    return simulate_well(CELLS, 4, 1, WellSettings(tiles=(2, 3), overlap=8), STILL, images=False)


def test_tiles_show_their_part_of_the_well(still):
    assert still.nuclei.shape == (4, 2 * 64 - 8, 3 * 80 - 2 * 8)
    assert [(tile.row, tile.column) for tile in still.tiles] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)
    ]  # fmt: skip
    for tile in still.tiles:
        corner = (tile.row * 56, tile.column * 72)
        np.testing.assert_allclose(tile.origins, [corner] * 4)
        part = still.nuclei[:, corner[0] : corner[0] + 64, corner[1] : corner[1] + 80]
        # A nucleus of which a tile shows next to nothing is left out there.
        assert np.isin(tile.nuclei, [*np.unique(part)]).all()
        assert (tile.nuclei == part)[part > 0].mean() > 0.98


def test_a_well_has_tracks_of_all_its_tiles(still):
    ids = {track.id for track in still.tracks}
    seen = np.unique(np.concatenate([np.unique(tile.nuclei) for tile in still.tiles]))
    assert set(seen[seen > 0].tolist()) <= ids
    several = sum(
        len({i for i, tile in enumerate(still.tiles) if (tile.nuclei == one).any()}) > 1
        for one in ids
    )
    # Cells in an overlap are in two tiles or four.
    assert several > 3


def test_tiles_miss_their_places_and_frames_are_missing():
    well = WellSettings(tiles=(1, 2), overlap=-6, revisit=5, skipped=0.4)
    simulated = simulate_well(CELLS, 12, 0, well, STILL, images=False)
    assert simulated.frames[0] == 0
    assert 3 < len(simulated.frames) < 12
    assert simulated.nuclei.shape[2] == 80 * 2 + 6
    errors = np.stack([tile.origins for tile in simulated.tiles]) - [[[0, 0]], [[0, 86]]]
    assert 2.5 < errors.std() < 8
    # Each tile has an error of its own.
    assert np.abs(errors[0] - errors[1]).min() > 0.01


def test_the_same_seed_gives_the_same_well():
    films = [simulate_well(CELLS, 2, 3) for _ in range(2)]
    np.testing.assert_array_equal(films[0].tiles[3].phase, films[1].tiles[3].phase)
    assert films[0].tracks == films[1].tracks


def test_a_well_as_a_folder(tmp_path):
    root = tmp_path / "well"
    write_well(root, CELLS, 0, frames=3, well=WellSettings(tiles=(1, 2), revisit=2))
    names = sorted(path.name for path in (root / "labels").iterdir())
    assert names == [f"B3_{tile}_00d00h{m:02d}m.tif" for tile in (1, 2) for m in (0, 15, 30)]
    assert tifffile.imread(root / "images" / names[0]).shape == (64, 80)
    truth = read_ctc(root / "truth" / "01_GT")
    assert truth.objects.tzyx == (3, 1, 64, 160)
    tiles = pd.read_csv(root / "tiles.csv")
    assert tiles["column"].tolist() == [0, 0, 0, 1, 1, 1]
    assert tiles["x"].between(-15, 95).all()
    with pytest.raises(InputError, match="which exists already"):
        write_well(root, CELLS, 0, frames=1)


def test_a_well_that_cannot_be_is_one_line():
    with pytest.raises(InputError, match="0 frames"):
        simulate_well(CELLS, 0, 0)
    with pytest.raises(InputError, match="an overlap of 64 px"):
        simulate_well(CELLS, 1, 0, WellSettings(overlap=64))
    with pytest.raises(InputError, match=r"simulator setting tiles\.0"):
        WellSettings(tiles=(0, 1))


def test_faults_of_a_segmentation():
    labels = np.zeros((2, 12, 40), np.int32)
    labels[:, 2:8, 2:8] = 3
    labels[:, 2:8, 9:15] = 5
    labels[:, 2:8, 24:36] = 8
    rng = np.random.default_rng(0)
    merged = add_faults(labels, rng, merged=1.0)
    assert merged.max() == 2
    assert merged[0, 4, 4] == merged[0, 4, 12] != merged[0, 4, 30]
    assert add_faults(labels, rng, missed=1.0).max() == 0
    split = add_faults(labels, rng, split=1.0)
    assert split.max() == 6
    # The long object is cut in the middle of its length.
    assert len(np.unique(split[0, 2:8, 24:30])) == len(np.unique(split[0, 2:8, 30:36])) == 1
    numbers = {tuple(add_faults(labels, rng)[0, 4, [4, 12, 30]]) for _ in range(20)}
    assert len(numbers) > 2
