from __future__ import annotations

import pickle

import pytest

from sparcell.core.errors import InputError
from sparcell.core.registry import Registry


def fruits() -> Registry[int]:
    registry: Registry[int] = Registry("fruit")
    registry.register("pear")(2)
    registry.register("apple")(1)
    return registry


def test_names_stand_for_what_was_registered() -> None:
    assert list(fruits()) == ["apple", "pear"] and fruits()["pear"] == 2


def test_a_near_miss_is_corrected() -> None:
    with pytest.raises(InputError, match=r"fruit 'aple'.*apple, pear.*did you mean apple\?"):
        fruits()["aple"]
    with pytest.raises(InputError, match="check the spelling"):
        fruits()["zzz"]


def test_a_name_is_given_once() -> None:
    registry = fruits()
    with pytest.raises(ValueError, match="twice"):
        registry.register("pear")(3)


def test_an_input_error_survives_the_way_between_processes() -> None:
    error = InputError("a", "b", "c")
    again = pickle.loads(pickle.dumps(error))
    assert (again.found, again.expected, again.fix) == ("a", "b", "c")
    assert str(again) == "found a; expected b; c"
