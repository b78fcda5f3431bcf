"""An `InputError` is a ValueError, and neither pydantic nor code of ours swallows it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from pydantic import Field, ValidationError, model_validator

from sparcell.annotations.importing.coco import read_coco
from sparcell.core.errors import InputError
from sparcell.core.settings import Settings
from sparcell.io.tables import read_table
from sparcell.models import load_model
from sparcell.models.model import PARTS


class Inner(Settings):
    edge: int = 0

    @model_validator(mode="after")
    def _check(self) -> Inner:
        if self.edge > 9:
            raise InputError(f"edge={self.edge}", "at most 9", "set edge=9")
        return self


class Outer(Settings):
    inner: Inner = Inner()
    many: dict[str, tuple[Inner, ...]] = Field(default_factory=dict)


def test_an_input_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"^found a; expected b; c$"):
        raise InputError("a", "b", "c")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Inner(edge=10),
        lambda: Inner.model_validate({"edge": 10}),
        lambda: Outer.model_validate({"inner": {"edge": 10}}),
        lambda: Outer(many={"a": ({"edge": 1}, {"edge": 10})}),
        lambda: Outer.model_validate_json(json.dumps({"many": {"a": [{"edge": 10}]}})),
    ],
)
def test_an_error_of_a_validator_stays_as_it_is(make) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == "found edge=10; expected at most 9; set edge=9"
    assert caught.value.fix == "set edge=9"


def test_other_mistakes_stay_those_of_pydantic() -> None:
    with pytest.raises(ValidationError, match="edge"):
        Outer(inner={"edge": "wide"})
    assert Outer(inner={"edge": 3}).inner == Inner(edge=3)


def a_spreadsheet(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;a\n1;2\n")
    read_table(tmp_path / "t.csv")


def a_coco_file(tmp_path: Path) -> None:
    image = {"id": 1, "file_name": "a.tif", "height": 9, "width": 9}
    read_coco({"images": [image], "annotations": [{"image_id": 1}]}, tmp_path)


def a_package(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part in PARTS:
            archive.writestr(part, "{}")
    path.write_bytes(path.read_bytes().replace(b"{}", b"[]"))
    load_model(path)


@pytest.mark.parametrize(
    "read, found",
    [
        (a_spreadsheet, "two columns 'a'"),
        (a_coco_file, "an annotation in"),
        (a_package, "sparcell.json in"),
    ],
)
def test_code_that_catches_value_errors_lets_ours_pass(tmp_path: Path, read, found) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert caught.value.found.startswith(found)
