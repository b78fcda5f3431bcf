from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from models import bright_model
from pydantic import ValidationError

from sparcell.core.errors import InputError
from sparcell.models import catalogue
from sparcell.models.catalogue import ModelInfo, entries, find_model, info_of, write_info
from sparcell.models.fetching import verify_model
from sparcell.models.loading import load_model, read_info

ROOT = Path(__file__).parents[2]
CARD = ModelInfo(
    purpose="nuclei", licence="CC0-1.0", scores={"AP50": 0.9}, limits=("not in stacks",)
)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with bundled/ and cache/ in it."""
    (tmp_path / "bundled").mkdir()
    monkeypatch.setattr(catalogue, "bundled_folder", lambda: tmp_path / "bundled")
    monkeypatch.setenv("SPARCELL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def bundle(places: Path, where: str, name: str, weight: float = 8.0) -> Path:
    path = places / where / f"{name}.zip"
    bright_model(weight).save(path)
    write_info(CARD, path.with_suffix(".yaml"))
    return path


def test_a_name_stands_for_a_bundled_or_fetched_model(places: Path) -> None:
    nuclei, mine = bundle(places, "bundled", "nuclei"), bundle(places, "cache", "mine")
    assert find_model("nuclei") == nuclei and find_model("mine") == mine
    assert [(e.name, e.where) for e in entries().values()] == [
        ("mine", "cached"),
        ("nuclei", "bundled"),
    ]
    assert load_model("nuclei").source == str(nuclei)
    assert info_of(nuclei) == CARD == entries()["mine"].info


def test_a_bundled_model_comes_before_a_fetched_one_of_its_name(places: Path) -> None:
    bundle(places, "cache", "nuclei", 4.0)
    bundled = bundle(places, "bundled", "nuclei")
    assert find_model("nuclei") == bundled


def test_a_run_folder_comes_before_a_name_and_says_so(
    places: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundled = bundle(places, "bundled", "nuclei")
    Path("nuclei").mkdir()
    assert find_model("nuclei") == bundled
    assert not caplog.text
    bright_model().save(Path("nuclei/model.zip"))
    assert find_model("nuclei") == Path("nuclei/model.zip")
    assert "nuclei/model.zip is used" in caplog.text


def test_an_unknown_name_says_which_there_are(places: Path) -> None:
    with pytest.raises(InputError, match=r"no model nucleus.*none is here yet.*models fetch"):
        load_model("nucleus")
    bundle(places, "bundled", "nuclei")
    with pytest.raises(InputError, match=r"\(nuclei\); did you mean nuclei\?"):
        load_model("nucleu")


def test_a_folder_without_a_model(places: Path) -> None:
    Path("run/checkpoints").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no model in the folder run.*`resume=True`"):
        find_model("run")


def test_a_card_beside_any_other_file_is_not_a_card(places: Path) -> None:
    bright_model().save(Path("model.zip"))
    Path("model.yaml").write_text("name: a recipe")
    assert info_of(Path("model.zip")) is None
    info, kind = read_info(Path("model.zip"))
    assert kind == "semantic" and info.purpose == "recipe tiny, method semantic"


@pytest.mark.parametrize("text", ["purpose: [", "purpose: x\nsurprise: 1", "[1]", "licence: MIT"])
def test_a_damaged_card_is_named(places: Path, text: str) -> None:
    bundle(places, "cache", "mine").with_suffix(".yaml").write_text(text)
    with pytest.raises(InputError, match=r"mine\.yaml that describes no model"):
        _ = entries()["mine"].info


def test_a_card_has_a_whole_hash_or_none() -> None:
    with pytest.raises(ValidationError):
        ModelInfo(purpose="x", sha256="abc")


def test_files_that_are_being_written_are_not_listed(places: Path) -> None:
    path = bundle(places, "cache", "mine")
    shutil.copy(path, path.with_name(".mine.zip.7.partial.zip"))
    assert list(entries()) == ["mine"]


def test_verify_compares_hash_and_golden_output(places: Path) -> None:
    path = bundle(places, "cache", "mine")
    assert set(verify_model(entries()["mine"]).values()) == {""}
    write_info(CARD.model_copy(update={"sha256": "0" * 64}), path.with_suffix(".yaml"))
    with pytest.raises(InputError, match="as in its info file"):
        verify_model(entries()["mine"])
    wrong = bright_model()
    wrong.golden_output = 1 - wrong.golden_output
    wrong.save(path)
    write_info(CARD, path.with_suffix(".yaml"))
    with pytest.raises(InputError, match=r"openvino: off by .*; onnxruntime: off by "):
        verify_model(entries()["mine"])


BUNDLED = sorted(catalogue.bundled_folder().glob("*.zip"))


def test_every_bundled_model_is_small_and_has_a_whole_card() -> None:
    for path in BUNDLED:
        assert path.stat().st_size <= catalogue.LARGEST_BUNDLED, path
        info = info_of(path)
        assert info is not None, path
        for part in ("purpose", "licence", "data", "scores", "scores_of", "limits", "rebuild"):
            assert getattr(info, part), (path, part)
        assert info.sha256, path
        entry = catalogue.Entry(path.stem, path, "bundled")
        assert verify_model(entry)["onnxruntime"] == ""
    cards = {path.stem for path in catalogue.bundled_folder().glob("*.yaml")}
    assert cards == {path.stem for path in BUNDLED}
