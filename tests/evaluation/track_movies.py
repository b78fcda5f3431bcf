"""Small tracked movies with known errors, made by a generator with a seed."""

from __future__ import annotations

import numpy as np

from sparcell.core.image import Image
from sparcell.core.tracks import Track, TrackedMovie

SIZE, PITCH, SIDE = 96, 12, 7


def movie(labels: np.ndarray, tracks: list[tuple[int, int]]) -> TrackedMovie:
    """Make a movie of label images and (track, parent) pairs."""
    frames = {
        one: np.flatnonzero((labels == one).any(axis=(1, 2))) for one in np.unique(labels) if one
    }
    parents = dict(tracks)
    table = tuple(
        Track(int(one), int(seen[0]), int(seen[-1]), parents.get(int(one), 0))
        for one, seen in frames.items()
    )
    return TrackedMovie(Image(labels, "TYX"), table)


def random_movies(seed: int, gaps: bool) -> tuple[TrackedMovie, TrackedMovie]:
    """Squares on a grid that divide, and a prediction with all kinds of errors.

    Without `gaps`, what is lost in the middle of a predicted track begins a new one whose mother is
    the former, as the format of the Cell Tracking Challenge wants it.
    """
    rng = np.random.default_rng(seed)
    frames, count = 14, 24
    places = rng.permutation((SIZE // PITCH) ** 2)[: 2 * count]
    truth = np.zeros((frames, SIZE, SIZE), np.int32)
    parents: list[tuple[int, int]] = []
    # (cell, first, last) of squares at a place of their own; a daughter sits at a new place.
    alive, cells, free = [], [], list(places)
    for _ in range(count // 2):
        alive.append((len(cells) + 1, free.pop()))
        cells.append((len(cells) + 1, free[-1]))
    number = len(alive)
    for t in range(frames):
        following = []
        for one, place in alive:
            y, x = divmod(int(place), SIZE // PITCH)
            jitter = rng.integers(0, 3, 2)
            top, left = y * PITCH + jitter[0], x * PITCH + jitter[1]
            truth[t, top : top + SIDE, left : left + SIDE] = one
            chance = rng.random()
            if chance < 0.06 and len(free) > 2 and t < frames - 1:
                for _ in range(2):
                    number += 1
                    following.append((number, free.pop()))
                    parents.append((number, one))
            elif chance > 0.02:
                following.append((one, place))
        alive = following
    return movie(truth, parents), _spoil(truth, parents, rng, gaps)


def _spoil(truth, parents, rng, gaps):
    pred = np.zeros_like(truth)
    table: dict[int, int] = dict(parents)
    names = {int(one): int(one) for one in np.unique(truth) if one}
    last: dict[int, int] = {}
    number = max(names)
    for t, frame in enumerate(truth):
        present = [int(one) for one in np.unique(frame) if one]
        if rng.random() < 0.3 and len(present) > 1:
            # Two cells swap their names.
            a, b = rng.choice(present, 2, replace=False)
            began = {names[a], names[b]} - set(last)
            if not began:
                names[a], names[b] = names[b], names[a]
        fused = None
        for one in present:
            chance = rng.random()
            if chance < 0.05:
                continue
            mask = frame == one
            if chance < 0.08 and fused is not None:
                pred[t][mask] = fused
                continue
            name = names[one]
            if last.get(name, t - 1) < t - 1 and not gaps:
                number += 1
                table[number] = name
                name = names[one] = number
            if chance > 0.97 and name in last:
                number += 1
                table[number] = name if chance > 0.985 else 0
                name = names[one] = number
            ys, xs = np.nonzero(mask)
            keep = ys > ys.min() + (1 if chance < 0.5 else 0)
            pred[t, ys[keep], xs[keep]] = name
            last[name] = t
            fused = name
        if rng.random() < 0.4:
            number += 1
            pred[t, SIZE - 3 :, 2:5][pred[t, SIZE - 3 :, 2:5] == 0] = number
    kept = set(np.unique(pred).tolist())
    seen = {one: np.flatnonzero((pred == one).any(axis=(1, 2))) for one in kept if one}
    mothers = [
        (one, mother)
        for one, mother in table.items()
        if one in seen and mother in seen and seen[mother][-1] < seen[one][0]
    ]
    return movie(pred, mothers)
