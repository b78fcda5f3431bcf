"""The fields of a study in training, validation and test parts, as its settings say."""

from __future__ import annotations

from collections.abc import Mapping

from sparcell.core.dataset import Sample
from sparcell.core.errors import InputError
from sparcell.studies.config import Study
from sparcell.studies.splits import (
    HELD_OUT,
    Parts,
    fold_parts,
    fold_validation,
    make_folds,
)
from sparcell.training.data.selection import nested_order


def column(samples: Mapping[str, Sample], name: str | None, role: str) -> dict[str, str] | None:
    """Return a column of ``split.csv`` by field.

    Raises
    ------
    InputError
        If there is no such column, or it is empty for a field.
    """
    if name is None:
        return None
    known = sorted({key for sample in samples.values() for key in sample.info})
    if name not in known:
        raise InputError(
            f"no column '{name}' in split.csv, the study's {role}",
            "one of " + ", ".join(known) if known else "columns beside name and split",
            "correct its name or add the column",
        )
    values = {key: sample.info.get(name, "") for key, sample in samples.items()}
    if empty := [key for key, value in values.items() if not value]:
        raise InputError(
            f"no {name} for {empty[0]} in split.csv", "a value for every image", "fill it in"
        )
    return values


def split_fields(
    study: Study,
    samples: Mapping[str, Sample],
    groups: Mapping[str, str] | None,
    strata: Mapping[str, str] | None,
) -> list[Parts]:
    """Sort fields into training, validation and test; one `Parts` for each fold.

    Raises
    ------
    InputError
        If a part has no field, a group spans two, or there are more folds than fields.
    """
    if study.fixed_test:
        return _split_beside_test(study, samples, groups, strata)
    if study.folds:
        folds = make_folds(list(samples), study.folds, study.split_seed, groups, strata)
        rotated = [fold_parts(folds, fold, study.val != 0) for fold in range(study.folds)]
        return [_limit(study, parts, samples) for parts in rotated]
    by_part: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for name, sample in samples.items():
        by_part[sample.split or "train"].append(name)
    test, train = by_part[study.test], by_part["train"]
    val = [] if study.test == "val" else by_part["val"]
    for part, names in ((study.test, test), ("train", train)):
        if not names:
            raise InputError(
                f"no labelled image marked {part} in split.csv",
                "images to train on and images to score",
                "mark some, or let the study split the images: folds: 5",
            )
    if study.val == 0:
        train, val = train + val, []
    elif not val:
        units = len({groups[name] if groups else name for name in train})
        validating, *rest = make_folds(
            train, min(HELD_OUT, units), study.split_seed, groups, strata
        )
        if not rest:
            raise InputError(
                "no image marked val and one image or group to train on",
                "images for validation",
                "mark some, or set val: 0 to take them from each budget",
            )
        train, val = [name for fold in rest for name in fold], validating
    parts = Parts(tuple(sorted(train)), tuple(sorted(val)), tuple(sorted(test)))
    _check_groups(parts, groups)
    return [_limit(study, parts, samples)]


def _split_beside_test(
    study: Study,
    samples: Mapping[str, Sample],
    groups: Mapping[str, str] | None,
    strata: Mapping[str, str] | None,
) -> list[Parts]:
    """Deal all fields but those marked test into folds, which validate in turn."""
    test = [name for name, sample in samples.items() if sample.split == "test"]
    others = [name for name in samples if name not in test]
    if not test:
        raise InputError(
            "no labelled image marked test in split.csv, and the study's fixed_test",
            "a test set that stays the same for all folds",
            "mark some, or leave fixed_test out, so that every image is tested once",
        )
    folds = make_folds(others, study.folds, study.split_seed, groups, strata)
    turns = [fold_validation(folds, fold, test) for fold in range(study.folds)]
    for parts in turns:
        _check_groups(parts, groups)
    return [_limit(study, parts, samples) for parts in turns]


def _check_groups(parts: Parts, groups: Mapping[str, str] | None) -> None:
    seen: dict[str, str] = {}
    for part in ("train", "val", "test"):
        for name in getattr(parts, part) if groups else ():
            group = (groups or {})[name]
            if seen.setdefault(group, part) != part:
                raise InputError(
                    f"the group {group} in both {seen[group]} and {part} of split.csv",
                    "all images of a group in one part",
                    "correct the table, or let the study split the images: folds: 5",
                )


def _limit(study: Study, parts: Parts, samples: Mapping[str, Sample]) -> Parts:
    """Leave out refused labels where scores come from, and what validation has too many of."""
    val = [name for name in parts.val if not samples[name].refused]
    test = tuple(name for name in parts.test if not samples[name].refused)
    if not test:
        raise InputError(
            "a test part whose labels were all refused",
            "labels to score with",
            "outline some of its images",
        )
    validating = nested_order(val, study.split_seed)[: study.val]
    return Parts(parts.train, tuple(sorted(validating)), test)
