"""Assignment and solution against brute force and SciPy's dense solver."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from sparcell.tracking.assignment import assign
from sparcell.tracking.solution import Choices, solve


@pytest.mark.parametrize("seed", range(6))
def test_assignment_is_as_good_as_the_dense_solver(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 9, 2)
    cost = rng.normal(0, 3, (n, m))
    row_costs, column_costs = rng.uniform(0, 2, n), rng.uniform(0, 2, m)
    rows, columns = np.nonzero(rng.random((n, m)) < 0.7)
    chosen = assign(rows, columns, cost[rows, columns], row_costs, column_costs)
    assert len(set(rows[chosen])) == len(set(columns[chosen])) == len(chosen)
    total = cost[rows[chosen], columns[chosen]].sum()
    total += np.delete(row_costs, rows[chosen]).sum()
    total += np.delete(column_costs, columns[chosen]).sum()
    # Dense: each row and each column has a partner of its own that means alone.
    big = np.full((n + m, n + m), 1e6)
    big[rows, columns] = cost[rows, columns]
    big[np.arange(n), m + np.arange(n)] = row_costs
    big[n + np.arange(m), np.arange(m)] = column_costs
    big[n:, m:] = 0
    i, j = linear_sum_assignment(big)
    assert total == pytest.approx(big[i, j].sum())


def test_assignment_of_nothing():
    empty = np.zeros(0, np.int64)
    assert len(assign(empty, empty, np.zeros(0), np.ones(3), np.ones(2))) == 0
    # A link that costs more than both ends alone is not taken.
    one = np.zeros(1, np.int64)
    assert len(assign(one, one, np.array([5.0]), np.ones(1), np.ones(1))) == 0


def best_by_trying(choices: Choices) -> float:
    count, best = len(choices), 0.0
    for size in range(count + 1):
        for some in combinations(range(count), size):
            ends = choices.source[list(some)]
            begins = choices.targets[list(some)].ravel()
            begins = begins[begins >= 0]
            if len(set(ends)) == len(ends) and len(set(begins)) == len(begins):
                best = max(best, float(choices.gains[list(some)].sum()))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_solution_is_as_good_as_the_best_of_all_subsets(seed):
    rng = np.random.default_rng(seed)
    links, divisions, objects = 8, 5, 5
    source = rng.integers(0, objects, links + divisions)
    targets = np.column_stack([rng.permuted(np.tile(np.arange(objects), (13, 1)), axis=1)[:, :2]])
    targets = targets + objects
    targets[:links, 1] = -1
    choices = Choices(source, targets, rng.normal(1.5, 2, links + divisions))
    chosen = solve(choices)
    ends, begins = source[chosen], targets[chosen]
    begins = begins[begins >= 0]
    assert len(set(ends)) == len(ends) and len(set(begins)) == len(begins)
    assert choices.gains[chosen].sum() == pytest.approx(best_by_trying(choices), abs=1e-5)


def test_a_triangle_of_divisions_has_a_whole_solution():
    # Three divisions of three mothers, each pair of them sharing a daughter: half of each is the
    # best fraction, and one of them the best whole solution.
    targets = np.array([[3, 4], [4, 5], [3, 5]])
    choices = Choices(np.array([0, 1, 2]), targets, np.array([1.0, 1.1, 1.0]))
    assert solve(choices).tolist() == [False, True, False]
    nothing = choices.take(np.zeros(0, int))
    assert solve(nothing).tolist() == []
    assert not solve(Choices(np.zeros(1, int), np.array([[1, -1]]), np.array([-1.0]))).any()
