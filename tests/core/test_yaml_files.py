from __future__ import annotations

import pytest
import yaml

from sparcell.core.yaml_files import DEEPEST, MOST_VALUES, read_yaml


def laughs(levels: int) -> str:
    """A text of a few lines that stands for 9 ** levels values."""
    lines = ["a0: &a0 lol"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels + 1)]
    return "\n".join(lines)


def test_anchors_stand_for_their_values() -> None:
    assert read_yaml("a: &a {x: [1, 2]}\nb: *a") == {"a": {"x": [1, 2]}, "b": {"x": [1, 2]}}
    # 9 ** 4 values in the last line; 9 ** 6 are too many.
    assert len(read_yaml(laughs(4))["a4"]) == 9


@pytest.mark.parametrize("levels", [6, 40])
def test_aliases_that_unfold_are_refused(levels: int) -> None:
    with pytest.raises(yaml.YAMLError, match=f"more than {MOST_VALUES} values"):
        read_yaml(laughs(levels))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: " + "[" * 5000 + "]" * 5000, "nest|inside each other|depth"),
        ("a: " + "{a: " * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1), "inside each other"),
        ("\n".join(" " * n + "a:" for n in range(DEEPEST + 2)), "inside each other"),
        ("a: &a [*a]", r"the alias \*a inside itself"),
        ("a: 2026-99-99", "month must be in"),
        (b"\xff\xfe\x00", "."),
        (b"a: \xe9", "."),
        ("a: [", "."),
        ("*a", "alias"),
    ],
)
def test_what_cannot_be_read_is_one_kind_of_error(text: str | bytes, says: str) -> None:
    with pytest.raises(yaml.YAMLError, match=says):
        read_yaml(text)


def test_no_tag_runs_anything() -> None:
    with pytest.raises(yaml.YAMLError, match="constructor"):
        read_yaml("!!python/object/apply:os.system [true]")
