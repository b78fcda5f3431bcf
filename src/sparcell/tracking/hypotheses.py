"""Regions of a frame of which each may be a cell, from several label images of that frame.

Pixels that have the same ids in all label images form an atom. Every object of every label image is
a region: a set of atoms. Regions that share atoms exclude each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SAME = 0.9
"""Regions of a larger intersection over union are one region."""
SHARED = 0.1
"""Regions that share less than this part of the smaller one may both be cells."""


@dataclass(frozen=True)
class FrameRegions:
    """Regions of a frame.

    Attributes
    ----------
    atoms : (Y, X) int32
        Number of the atom of each pixel, from 1; 0 belongs to no region.
    members : (R, A) csr_matrix
        1 where a region contains an atom.
    atom_areas : (A,) float64
        In px.
    found : (R,) int64
        Id in the first label image; 0 for regions that only others have.
    areas : (R,) float64
        In px.
    places : (R, 2) float64
        y and x of the centre, px.
    at_border : (R,) bool
    """

    atoms: NDArray[np.int32]
    members: csr_matrix
    atom_areas: Floats
    found: Integers
    areas: Floats
    places: Floats
    at_border: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.found)

    def exclusions(self) -> Iterator[Integers]:
        """Yield sets of regions of which at most one is a cell."""
        by_atom = self.members.tocsc()
        sets = set()
        for atom in np.flatnonzero(np.diff(by_atom.indptr) > 1):
            some = np.sort(by_atom.indices[by_atom.indptr[atom] : by_atom.indptr[atom + 1]])
            if self.atom_areas[atom] >= SHARED * self.areas[some].min():
                sets.add(tuple(some.tolist()))
        for one in sorted(sets):
            yield np.array(one, np.int64)

    def shared(self, first: Integers, second: Integers) -> Floats:
        """Count the pixels that some regions share with others, (N, M)."""
        weighted = self.members[first].multiply(self.atom_areas[None, :])
        return np.asarray((weighted @ self.members[second].T).todense(), np.float64)


def find_regions(images: Sequence[NDArray[np.int32]]) -> FrameRegions:
    """Find the regions of a frame.

    Parameters
    ----------
    images : sequence of (Y, X) int32
        Label images of the same frame; the first one is preferred, where two have the same region.
    """
    inside = np.flatnonzero(np.any([image > 0 for image in images], axis=0))
    ids = np.stack([image.ravel()[inside] for image in images]).astype(np.int64)
    number = np.zeros(len(inside), np.int64)
    for row in ids:
        number = np.unique(number * (int(row.max(initial=0)) + 1) + row, return_inverse=True)[1]
    atoms = np.zeros(images[0].shape, np.int32)
    atoms.ravel()[inside] = number + 1
    sums = _sum_atoms(inside, number, images[0].shape)
    example = np.zeros(sums.shape[1], np.int64)
    example[number] = np.arange(len(inside))
    members, found = _list_regions(ids[:, example])
    kept = _distinct(members, sums[0])
    members = csr_matrix(members[kept])
    area, y, x, border = (np.asarray(members @ one, np.float64) for one in sums)
    places = np.column_stack([y, x]) / area[:, None]
    return FrameRegions(atoms, members, sums[0], found[kept], area, places, border > 0)


def _sum_atoms(inside: Integers, number: Integers, shape: tuple[int, ...]) -> Floats:
    """Area, sums of y and of x, and pixels at the border, of each atom, (4, A)."""
    y, x = np.divmod(inside, shape[1])
    border = (y == 0) | (x == 0) | (y == shape[0] - 1) | (x == shape[1] - 1)
    count = int(number.max(initial=-1)) + 1
    return np.stack([np.bincount(number, one, count) for one in (np.ones(len(y)), y, x, border)])


def _list_regions(ids: Integers) -> tuple[csr_matrix, Integers]:
    """List the objects of all label images.

    Parameters
    ----------
    ids : (K, A) int64
        Id of each atom in each label image, 0 for none.

    Returns
    -------
    members : (R, A) csr_matrix
    found : (R,) int64
        Id in the first label image, else 0.
    """
    rows, columns, found = [], [], []
    count = 0
    for k, row in enumerate(ids):
        known = np.flatnonzero(row)
        values, position = np.unique(row[known], return_inverse=True)
        rows.append(position + count)
        columns.append(known)
        found.append(values if k == 0 else np.zeros(len(values), np.int64))
        count += len(values)
    i, j = np.concatenate(rows), np.concatenate(columns)
    return csr_matrix((np.ones(len(i)), (i, j)), (count, ids.shape[1])), np.concatenate(found)


def _distinct(members: csr_matrix, atom_areas: Floats) -> Integers:
    """Leave out regions that are almost the same as an earlier one; return the others."""
    areas = np.asarray(members @ atom_areas)
    shared = (members.multiply(atom_areas[None, :]) @ members.T).tocoo()
    union = areas[shared.row] + areas[shared.col] - shared.data
    same = shared.data >= SAME * union
    pairs = csr_matrix((np.ones(same.sum()), (shared.row[same], shared.col[same])), shared.shape)
    dropped = np.zeros(len(areas), np.bool_)
    kept = []
    for one in range(len(areas)):
        if not dropped[one]:
            kept.append(one)
            dropped[pairs.indices[pairs.indptr[one] : pairs.indptr[one + 1]]] = True
    return np.array(kept, np.int64)
