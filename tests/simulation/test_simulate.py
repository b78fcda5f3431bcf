import csv
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.labels import check_labels, raster_order
from sparcell.simulation import (
    STAIN_FAILURES,
    MotionSettings,
    SimulationSettings,
    simulate_field,
    simulate_movie,
    write_dataset,
)
from sparcell.simulation.cells import separate
from sparcell.simulation.optics import RING_AMPLITUDE, Lamps, OpticalScene, phase_contrast

SMALL = SimulationSettings(size=(128, 128), cells=8)
STILL = MotionSettings(speed=0, doubling=None, death=0)


def arrays(result):
    return [value for value in vars(result).values() if isinstance(value, np.ndarray)]


@pytest.fixture(scope="module")
def field():
    return simulate_field(SimulationSettings(size=(256, 256), dye_failure=0), seed=3)


@pytest.fixture(scope="module")
def movie():
    motion = MotionSettings(doubling=12, death=0.06, drift=1, jump_rate=0.2)
    return simulate_movie(SMALL, 24, 5, motion, {3: "empty"})


def test_same_seed_same_bytes():
    one, again, other = (simulate_field(SMALL, seed) for seed in (0, 0, 1))
    for a, b in zip(arrays(one), arrays(again), strict=True):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()
    assert (one.phase != other.phase).any()
    films = [simulate_movie(SMALL, 4, 7) for _ in range(2)]
    assert films[0].tracks == films[1].tracks
    for a, b in zip(*map(arrays, films), strict=True):
        assert a.tobytes() == b.tobytes()


def test_field_keeps_the_label_contract(field):
    assert (field.phase.dtype, field.stain.dtype) == (np.uint8, np.uint16)
    for labels in (field.nuclei, field.cells):
        assert labels.dtype == np.int32 and labels.shape == field.phase.shape
        check_labels(labels)
    assert (raster_order(field.nuclei) == field.nuclei).all()
    inside = field.nuclei > 0
    assert (field.cells[inside] == field.nuclei[inside]).all()


def test_stain_lies_on_the_nuclei(field):
    inside = field.nuclei > 0
    far = ndimage.distance_transform_edt(~inside) > 10
    counts = field.stain.astype(float)
    assert np.median(counts[inside]) > 2 * np.median(counts[far])
    assert np.corrcoef(counts.ravel(), inside.ravel())[0, 1] > 0.6
    # Moved by a third of a nucleus either way they fit worse.
    for axis in (0, 1):
        for step in (-7, 7):
            moved = np.roll(inside, step, axis)
            assert counts[inside].sum() > 1.1 * counts[moved].sum()


def test_cells_show_in_phase_with_a_halo_but_no_threshold_finds_nuclei(field):
    grey = field.phase.astype(float)
    outside = ndimage.distance_transform_edt(field.cells == 0)
    background = np.median(grey[outside > 15])
    assert np.median(grey[field.cells > 0]) < background - 10
    assert np.median(grey[(outside > 1) & (outside < 6)]) > background + 2
    inside = field.nuclei > 0
    best = max(
        2 * (inside & guess).sum() / (inside.sum() + guess.sum())
        for level in np.percentile(grey, range(1, 100, 2))
        for guess in (grey < level, grey > level)
    )
    assert best < 0.6


@pytest.mark.parametrize("phi", [0.0, 0.1, 0.3, 1.2])
def test_phase_contrast_is_zernikes(phi):
    # Without halo the background wave is 1: |exp(i phi) - 1 - i t|^2 / t^2 by hand is
    # ((cos phi - 1)^2 + (sin phi - t)^2) / t^2.
    expected = ((np.cos(phi) - 1) ** 2 + (np.sin(phi) - RING_AMPLITUDE) ** 2) / RING_AMPLITUDE**2
    flat = SimulationSettings(size=(8, 8), halo=0, illumination=0, phase_noise=0)
    nothing = np.zeros((8, 8), np.int32)
    scene = OpticalScene(
        np.full((12, 12), phi, np.float32), np.zeros((12, 12)), nothing, nothing, 2
    )
    image = phase_contrast(scene, flat, Lamps(0, 0, 0), np.random.default_rng(0))
    assert np.allclose(image, np.rint(135 * expected), atol=1)


def test_full_halo_leaves_nothing_of_an_even_layer():
    even = SimulationSettings(size=(8, 8), halo=1, illumination=0, phase_noise=0)
    nothing = np.zeros((8, 8), np.int32)
    scene = OpticalScene(
        np.full((12, 12), 0.7, np.float32), np.zeros((12, 12)), nothing, nothing, 2
    )
    assert (phase_contrast(scene, even, Lamps(0, 0, 0), np.random.default_rng(0)) == 135).all()


@settings(deadline=None, max_examples=15)
@given(
    st.integers(0, 12),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(5, 16),
    st.integers(0, 2**32 - 1),
)
def test_any_field_holds_its_cells(count, spread, touching, diameter, seed):
    wanted = SimulationSettings(
        size=(96, 80),
        cells=count,
        spread=spread,
        touching=touching,
        nucleus_diameter=diameter,
        nucleus_diameter_sd=1,
        dye_failure=0.3,
    )
    field = simulate_field(wanted, seed)
    nuclei = check_labels(field.nuclei)
    check_labels(field.cells)
    # Nuclei centred just outside may reach in; one in it may at worst be a hidden sliver.
    assert count * 0.8 - 1 <= nuclei.max() <= 2 * count + 2
    assert field.cells.max() >= nuclei.max()
    assert set(field.unstained) <= set(range(1, nuclei.max() + 1))


def test_density_and_size_set_the_number():
    assert SimulationSettings(size=(1000, 500), density=100).count == 50
    assert SimulationSettings(size=(10, 10), cells=0).count == 0
    roomy = SimulationSettings(size=(300, 300), cells=40, rounded=0)
    found = simulate_field(roomy, 2).nuclei
    assert 36 <= found.max() <= 50
    area = np.bincount(found.ravel())[1:]
    assert np.sqrt(4 * np.median(area) / np.pi) == pytest.approx(20, rel=0.1)


def test_unstained_nuclei_are_dark():
    field = simulate_field(SimulationSettings(size=(256, 256), dye_failure=0.4), seed=1)
    ids = np.arange(1, field.nuclei.max() + 1)
    light = ndimage.median(field.stain, field.nuclei, ids)
    dark = np.isin(ids, field.unstained)
    assert 0 < dark.sum() < len(ids)
    assert np.median(light[dark]) < 0.5 * np.median(light[~dark])
    assert light[dark].max() < np.median(light[~dark])


def test_touching_nuclei_touch():
    def touching(fraction):
        wanted = SimulationSettings(size=(300, 300), cells=30, touching=fraction)
        labels = simulate_field(wanted, 4).nuclei
        grown = ndimage.grey_dilation(labels, size=(5, 5))
        return len(np.unique(labels[(grown != labels) & (labels > 0)]))

    assert touching(1.0) > 2 * touching(0.0) + 5


def test_failures_differ_as_they_should():
    fields = {kind: simulate_field(SMALL, 6, kind) for kind in STAIN_FAILURES}
    good = fields["none"]
    for field in fields.values():
        assert (field.phase == good.phase).all() and (field.nuclei == good.nuclei).all()

    def contrast(kind):
        stain = fields[kind].stain.astype(float)
        return np.median(stain[good.nuclei > 0]) - np.median(stain[good.nuclei == 0])

    def sharpness(kind):
        blurred = ndimage.gaussian_filter(fields[kind].stain.astype(float), 1.5)
        return np.abs(ndimage.laplace(blurred)).max()

    assert contrast("none") > 500
    assert abs(contrast("empty")) < 30
    assert abs(contrast("noise")) < 150
    assert fields["empty"].stain.max() < 0.5 * np.percentile(good.stain, 99)
    assert fields["noise"].stain.std() > 10 * fields["empty"].stain.std()
    assert fields["leak"].stain.max() > 3 * good.stain.max()
    assert sharpness("out_of_focus") < 0.2 * sharpness("none")


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (24, 24)])
def test_tiny_and_empty_fields(size):
    for cells in (0, None):
        wanted = SimulationSettings(size=size, cells=cells, nucleus_diameter=6)
        field = simulate_field(wanted, 0)
        assert field.phase.shape == field.stain.shape == field.nuclei.shape == size
        if cells == 0:
            assert not field.nuclei.any() and not field.cells.any() and field.unstained == ()
    empty = simulate_movie(SimulationSettings(size=size, cells=0), 3, 0)
    assert empty.tracks == () and not empty.nuclei.any()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": (0, 5)}, "size.0 = 0"),
        ({"halo": 2}, "less than or equal to 1"),
        ({"cels": 4}, "one of size, cells"),
        ({"cells": 5000}, "fewer cells"),
        ({"nucleus_diameter": float("nan")}, "nucleus_diameter = nan"),
    ],
)
def test_wrong_settings_are_plain_errors(wrong, said):
    with pytest.raises(InputError, match=said):
        SimulationSettings(**wrong)


def test_wrong_calls_are_plain_errors():
    with pytest.raises(InputError, match="out_of_focus"):
        simulate_field(SMALL, 0, "blurry")
    with pytest.raises(InputError, match="0 frames"):
        simulate_movie(SMALL, 0, 0)
    with pytest.raises(InputError, match="frames 0 to 2"):
        simulate_movie(SMALL, 3, 0, stain_failures={3: "leak"})
    with pytest.raises(InputError, match="doubling = 1"):
        MotionSettings(doubling=1)


def test_tracks_are_in_all_their_frames(movie):
    assert [track.id for track in movie.tracks] == list(range(1, len(movie.tracks) + 1))
    for track in movie.tracks:
        there = np.flatnonzero((movie.nuclei == track.id).any(axis=(1, 2)))
        assert there.tolist() == list(range(track.first, track.last + 1))
    assert movie.nuclei.max() == len(movie.tracks)
    for nuclei, cells in zip(movie.nuclei, movie.cells, strict=True):
        assert (np.unique(nuclei) == np.unique(cells)).all()
        assert (cells[nuclei > 0] == nuclei[nuclei > 0]).all()
        for i in np.unique(nuclei)[1:]:
            check_labels((nuclei == i).astype(np.int32))


def test_mothers_end_where_daughters_begin(movie):
    tracks = {track.id: track for track in movie.tracks}
    daughters = [track for track in movie.tracks if track.parent]
    families = {
        track.parent: [d for d in daughters if d.parent == track.parent] for track in daughters
    }
    assert sum(len(family) == 2 for family in families.values()) >= 3
    for mother, family in families.items():
        assert len(family) <= 2
        for daughter in family:
            assert daughter.first == tracks[mother].last + 1
            before = np.argwhere(movie.nuclei[tracks[mother].last] == mother).mean(axis=0)
            after = np.argwhere(movie.nuclei[daughter.first] == daughter.id).mean(axis=0)
            moved = movie.shifts[daughter.first] - movie.shifts[tracks[mother].last]
            assert np.hypot(*(after - before - moved)) < 25


def test_tracks_end_for_a_reason(movie):
    """A nucleus well inside the field ends in a division, a death or with the movie."""
    mothers = {track.parent for track in movie.tracks}
    assert movie.deaths and mothers.isdisjoint(movie.deaths)
    for track in movie.tracks:
        y, x = np.argwhere(movie.nuclei[track.last] == track.id).mean(axis=0)
        inside = min(y, x, 127 - y, 127 - x) > 30
        if inside and track.last < 23:
            assert track.id in mothers or track.id in movie.deaths


def test_dying_cells_shrink_and_brighten():
    calm = MotionSettings(speed=0, doubling=None, death=0.1, drift=0, jitter=0, jump_rate=0)
    wanted = SMALL.model_copy(update={"dye_failure": 0.0, "rounded": 0.0, "touching": 0.0})
    movie = simulate_movie(wanted, 12, 2, calm)
    last = {track.id: track.last for track in movie.tracks}
    whole = [i for i in movie.deaths if last[i] >= 7]
    assert whole
    for i in whole:
        end, start = (movie.nuclei[frame] == i for frame in (last[i], last[i] - 6))
        assert end.sum() < 0.6 * start.sum()
        assert movie.stain[last[i]][end].mean() > 1.3 * movie.stain[last[i] - 6][start].mean()
        assert movie.phase[last[i]][end].mean() > movie.phase[last[i] - 6][start].mean() + 40


def test_shifts_are_applied_as_recorded():
    motion = STILL.model_copy(update={"drift": 1.0, "jump_rate": 0.5, "jump": 6.0})
    wanted = SimulationSettings(size=(160, 160), phase_noise=0.5, illumination=0)
    movie = simulate_movie(wanted, 5, 1, motion)
    assert np.abs(movie.shifts[-1]).max() > 3 and not movie.shifts[0].any()
    for frame in range(1, 5):
        back, _, _ = phase_cross_correlation(
            movie.phase[0].astype(float), movie.phase[frame].astype(float), upsample_factor=10
        )
        assert -back == pytest.approx(movie.shifts[frame], abs=0.4)


def test_cells_crawl_as_fast_as_set_and_persistently():
    motion = MotionSettings(
        speed=2, persistence=0.8, doubling=None, death=0, drift=0, jitter=0, jump_rate=0
    )
    wanted = SimulationSettings(size=(320, 320), cells=25, touching=0, rounded=0)
    movie = simulate_movie(wanted, 8, 3, motion)
    steps = []
    for track in movie.tracks:
        places = [
            np.argwhere(movie.nuclei[t] == track.id) for t in range(track.first, track.last + 1)
        ]
        if all(p.min() > 10 and p.max() < 309 for p in places):
            path = np.array([p.mean(axis=0) for p in places])
            steps += [(b - a, c - b) for a, b, c in zip(path, path[1:], path[2:], strict=False)]
    now, later = np.array(steps).transpose(1, 0, 2)
    assert np.sqrt((now**2).sum(axis=1).mean()) == pytest.approx(2, rel=0.3)
    assert np.corrcoef(now.ravel(), later.ravel())[0, 1] > 0.5


def test_stain_failures_of_a_movie(movie):
    assert movie.stain_failures.count("none") == 23 and movie.stain_failures[3] == "empty"
    assert movie.stain[3].max() < 0.5 * movie.stain[2].max()


def test_a_long_movie_fills_up_and_stays_so():
    crowd = SimulationSettings(size=(64, 64), cells=4, nucleus_diameter=12)
    movie = simulate_movie(crowd, 60, 0, MotionSettings(doubling=10, death=0, jump_rate=0))
    covered = (movie.nuclei > 0).mean(axis=(1, 2))
    assert covered[-10:].min() > 1.5 * covered[0]
    assert covered.max() < 0.75


def test_separate_ends_overlaps_and_keeps_the_middle():
    apart = separate(np.array([[0.0, 0.0], [0.0, 2.0], [50.0, 50.0]]), np.array([5.0, 5.0, 5.0]))
    assert apart[1, 1] - apart[0, 1] == pytest.approx(10.5)
    assert apart[:2].mean(axis=0) == pytest.approx([0, 1])
    assert apart[2] == pytest.approx([50, 50])
    assert separate(np.empty((0, 2)), np.empty(0)).shape == (0, 2)


def test_dataset_folder(tmp_path):
    root = tmp_path / "demo"
    write_dataset(root, SMALL, 1, train=2, val=1, test=1, failures=["leak"])
    data = Dataset.open(root)
    assert [sample.split for sample in data.samples] == ["train", "train", "val", "test"]
    assert [sample.info["failure"] for sample in data.samples] == ["leak", "none", "none", "none"]
    assert all("stain" in sample.files for sample in data.samples)
    truth = Dataset.open(root, labels="truth").having("labels")
    assert len(truth) == 4
    names = {path.name for path in (root / "truth_cells").iterdir()}
    assert names == {f"{sample.name}.tif" for sample in data.samples}

    from sparcell.io import open_image

    stored = open_image(truth.samples[1].files["labels"])
    assert stored.pixel_size == pytest.approx(SMALL.pixel_size)
    assert check_labels(stored.read_labels()).max() == int(truth.samples[1].info["nuclei"])
    with pytest.raises(InputError, match="already"):
        write_dataset(root, SMALL, 1, train=1)


def test_wells_grow_exponentially(tmp_path):
    write_dataset(tmp_path / "plate", SMALL, 2, train=6, test=2, wells={"B3": 12, "C4": 48})
    with (tmp_path / "plate" / "split.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows[:3]] == [
        "B3_1_00d00h00m", "C4_1_00d00h00m", "B3_1_00d06h00m",
    ]  # fmt: skip
    assert sorted(row["split"] for row in rows) == ["test"] * 2 + ["train"] * 6
    counts = {
        well: [int(row["nuclei"]) for row in rows if row["well"] == well] for well in ("B3", "C4")
    }
    assert all(later > earlier for earlier, later in pairwise(counts["B3"]))
    assert counts["B3"][-1] > 1.8 * counts["B3"][0]
    assert counts["C4"][-1] < 1.7 * counts["C4"][0] + 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"train": 0}, "not all 0"),
        ({"train": -1, "test": 2}, "0 or more"),
        ({"train": 1, "failures": ["leak", "empty"]}, "at most one failure"),
        ({"train": 1, "failures": ["blurry"]}, "correct the name"),
        ({"train": 1, "wells": {"A1": 0}}, "doubling time"),
        ({"train": 40, "wells": {"A1": 6}}, "fewer cells"),
    ],
)
def test_wrong_datasets_leave_nothing(tmp_path, wrong, said):
    with pytest.raises(InputError, match=said):
        write_dataset(tmp_path / "out", SMALL, 0, **wrong)
    assert list(tmp_path.iterdir()) == []
