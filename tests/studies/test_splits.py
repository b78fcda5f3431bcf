"""Folds, budgets and validation: what must hold for any names, groups and strata."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparcell.core.errors import InputError
from sparcell.studies.splits import fold_parts, hold_out, make_folds, nested_subset

FEW = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 1000)


@st.composite
def fields(draw, least=6):
    """Names with a group and a stratum each."""
    names = [f"field_{i:02d}" for i in range(draw(st.integers(least, 40)))]
    groups = {name: draw(st.sampled_from("abcdefghijkl")) for name in names}
    strata = {name: draw(st.sampled_from(["dim", "bright", "dense"])) for name in names}
    return names, groups, strata


@FEW
@given(fields(), seeds, st.integers(2, 6))
def test_folds_partition_the_fields_and_strata_are_spread_evenly(drawn, seed, count):
    names, _, strata = drawn
    folds = make_folds(names, count, seed, strata=strata)
    assert sorted(name for fold in folds for name in fold) == names
    assert all(folds)
    for kind in set(strata.values()):
        held = [sum(strata[name] == kind for name in fold) for fold in folds]
        assert max(held) - min(held) <= 1


@FEW
@given(fields(), seeds, st.integers(3, 5))
def test_a_group_is_in_one_part_only_and_every_field_is_tested_once(drawn, seed, count):
    names, groups, strata = drawn
    if len(set(groups.values())) < count:
        with pytest.raises(InputError, match="folds of"):
            make_folds(names, count, seed, groups, strata)
        return
    folds = make_folds(names, count, seed, groups, strata)
    tested = Counter()
    for fold in range(count):
        parts = fold_parts(folds, fold)
        held = [set(parts.train), set(parts.val), set(parts.test)]
        assert all(held) and set.union(*held) == set(names)
        assert sum(map(len, held)) == len(names)
        by_part = [{groups[name] for name in part} for part in held]
        assert not by_part[0] & by_part[1] and not by_part[2] & (by_part[0] | by_part[1])
        tested.update(parts.test)
    assert set(tested.values()) == {1}


@FEW
@given(fields(), seeds)
def test_folds_depend_on_the_seed_and_not_on_the_order_of_the_names(drawn, seed):
    names, _, strata = drawn
    assert make_folds(names, 2, seed, strata=strata) == make_folds(
        names[::-1], 2, seed, strata=strata
    )


@FEW
@given(fields(), seeds, st.booleans())
def test_budgets_are_nested_in_training_and_disjoint_from_validation(drawn, seed, grouped):
    names, groups, _ = drawn
    before: set[str] = set()
    for budget in range(1, len(names) + 1):
        taken = nested_subset(names, budget, seed)
        assert len(taken) == budget
        train, val = hold_out(taken, groups if grouped else None)
        assert set(train) | set(val) == set(taken) and not set(train) & set(val)
        assert before <= set(train)
        assert bool(val) == (budget > 1)
        before = set(train)
        units = {groups[name] for name in taken}
        if grouped and len(units) > 1:
            assert not {groups[n] for n in train} & {groups[n] for n in val}


def test_a_fifth_is_held_out():
    taken = [f"f{i}" for i in range(20)]
    train, val = hold_out(taken)
    assert val == ("f1", "f6", "f11", "f16") and len(train) == 16
    assert hold_out(["only"]) == (("only",), ())


def test_seeds_draw_different_subsets():
    names = [f"f{i:02d}" for i in range(30)]
    assert len({nested_subset(names, 5, seed) for seed in range(10)}) == 10


def test_a_budget_above_the_data_is_refused():
    with pytest.raises(InputError, match="a budget of 4 images"):
        nested_subset(["a", "b", "c"], 4, 0)
