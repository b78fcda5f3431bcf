"""Which field is in which part: folds, budgets and validation, by name alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sparcell.core.errors import InputError
from sparcell.training.data.selection import nested_order

HELD_OUT = 5
"""One of so many fields is held out for validation where none is marked."""


@dataclass(frozen=True)
class Parts:
    """Names of the fields of each part; no field and no group is in two."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]


def make_folds(
    names: Sequence[str],
    count: int,
    seed: int,
    groups: Mapping[str, str] | None = None,
    strata: Mapping[str, str] | None = None,
) -> list[list[str]]:
    """Sort fields into folds of equal mixture.

    Groups stay whole. They are assigned from the largest to the smallest, equal ones in random
    order. Each goes to the fold with the smallest share of the group's strata so far, of several to
    that with the fewest fields. Without groups the folds thus differ by at most one field of each
    stratum.

    Parameters
    ----------
    names : sequence of str
    count : int
        Number of folds.
    seed : int
        Equal seeds give equal folds.
    groups, strata : mapping from name to str, optional
        Fields with the same group stay together; those with the same stratum are spread out.

    Returns
    -------
    list of list of str
        None is empty.

    Raises
    ------
    InputError
        If there are more folds than fields or groups.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for name in nested_order(names, seed):
        members[groups[name] if groups else name].append(name)
    if len(members) < count:
        unit = "groups of images" if groups else "labelled images"
        raise InputError(
            f"{count} folds of {len(members)} {unit}",
            f"at most {len(members)} folds",
            "lower folds or label more images",
        )
    kinds, stratum = np.unique(
        [strata[name] if strata else "" for name in names], return_inverse=True
    )
    kind_of = dict(zip(names, stratum.tolist(), strict=True))
    totals = np.bincount(stratum)
    folds: list[list[str]] = [[] for _ in range(count)]
    counts = np.zeros((count, len(kinds)))
    for group in sorted(members.values(), key=len, reverse=True):
        mixture = np.bincount([kind_of[name] for name in group], minlength=len(kinds))
        # Rounded, so that equal shares are equal and the number of fields decides.
        crowding = np.round(counts @ (mixture / totals**2), 12)
        size = [len(fold) for fold in folds]
        fold = int(np.lexsort(np.stack([size, crowding]))[0])
        folds[fold] += group
        counts[fold] += mixture
    return folds


def fold_parts(folds: Sequence[Sequence[str]], fold: int, validate: bool = True) -> Parts:
    """Take one fold for test, the next for validation and the rest for training.

    Over all folds every field is tested once, as in a five-fold cross-validation with a
    validation part of its own. Without `validate` the next fold is trained on as well.
    """
    following = (fold + 1) % len(folds) if validate else fold
    train = [
        name for i, members in enumerate(folds) if i not in (fold, following) for name in members
    ]
    val = folds[following] if validate else ()
    return Parts(tuple(sorted(train)), tuple(sorted(val)), tuple(sorted(folds[fold])))


def fold_validation(folds: Sequence[Sequence[str]], fold: int, test: Sequence[str] = ()) -> Parts:
    """Take one fold for validation and the rest for training; the test fields stay the same.

    The cross-validation of Park et al. 2022 (supporting information, S2.1): the stored weights of
    every fold are scored on one test set that no fold holds.
    """
    train = [name for i, members in enumerate(folds) if i != fold for name in members]
    return Parts(tuple(sorted(train)), tuple(sorted(folds[fold])), tuple(sorted(test)))


def nested_subset(names: Sequence[str], budget: int, seed: int) -> tuple[str, ...]:
    """Take the first `budget` fields of a shuffled order (Cui 2020, 2.1).

    A smaller budget of the same seed is contained in a larger one.

    Raises
    ------
    InputError
        If there are fewer.
    """
    if budget > len(names):
        raise InputError(
            f"a budget of {budget} images",
            f"at most the {len(names)} labelled training images",
            "lower budgets or label more images",
        )
    return tuple(nested_order(names, seed)[:budget])


def hold_out(
    subset: Sequence[str], groups: Mapping[str, str] | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split the fields of a budget into training and validation.

    The second group of every five, in the order of `subset`, validates; so the training fields of
    nested budgets are nested too. Fields of a single group are split all the same, and a single
    field is left whole: `train` keeps its right part for validation.
    """
    order = {name: groups[name] if groups else name for name in subset}
    units = list(dict.fromkeys(order.values()))
    if len(units) == 1:
        order = {name: name for name in subset}
        units = list(subset)
    validating = set(units[1::HELD_OUT])
    train = tuple(name for name in subset if order[name] not in validating)
    return train, tuple(name for name in subset if order[name] in validating)
