"""What a setting without effect comes to: refused where somebody wrote it, else its default."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sparcell.core.errors import InputError
from sparcell.studies.config import Study
from sparcell.training.recipe import dump_recipe, load_recipe


def write(path: Path, **settings: object) -> str:
    path.write_text(yaml.safe_dump(settings))
    return str(path)


@pytest.mark.parametrize(
    ("recipe", "overrides", "found"),
    [
        (
            "nuclei-light",
            ["fit.fixed_crops=5", "fit.foreground_fraction=0.5"],
            "fit.foreground_fraction=0.5, which has no effect with fit.fixed_crops=5",
        ),
        (
            "nuclei-light",
            ["fit.fixed_crops=5", "data.auto=x", "data.auto_weight=3"],
            "data.auto_weight=3.0, which has no effect with fit.fixed_crops=5",
        ),
        (
            "nuclei-light",
            ["data.auto_weight=3"],
            "data.auto_weight=3.0, which has no effect without data.auto",
        ),
        (
            "park2022/unet-3",
            ["method.positive_weight=9"],
            "method.positive_weight=9.0, which has no effect with method.loss=dice",
        ),
        (
            "park2022/unet-3",
            ["optimiser.momentum=0.8"],
            "optimiser.momentum=0.8, which has no effect with optimiser.name=adam",
        ),
        (
            "park2022/unet-1",
            ["method.gamma=3"],
            "method.gamma=3.0, which has no effect with method.loss=bce",
        ),
        (
            "park2022/unet-1",
            ["method.alpha=0.3"],
            "method.alpha=0.3, which has no effect with method.loss=bce",
        ),
        ("salomon2023-unet", ["network.encoder=resnet50"], "network.decoder=salomon2023-unet"),
        ("nuclei-light", ["network.filters=8"], "network.decoder=unet"),
        ("bundled/nuclei", ["network.head=new"], "network.weights=imagenet"),
        ("bundled/nuclei", ["fit.freeze_batchnorm=true"], "network.weights=imagenet"),
        ("salomon2023-unet", ["fit.freeze_fraction=0.2"], "network.weights=none"),
        ("bonte2023-light/stain", ["fit.tune_decoding=false"], "method.name=stain"),
        ("shrestha2023/cil-full", ["method.location_weight=2"], "data.annotations"),
    ],
)
def test_what_was_typed_without_effect_is_refused(
    recipe: str, overrides: list[str], found: str
) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(recipe, overrides)
    assert found in caught.value.found and "\n" not in str(caught.value)


def test_the_message_says_what_to_do() -> None:
    with pytest.raises(InputError) as caught:
        load_recipe("park2022/unet-3", ["optimiser.momentum=0.8"])
    assert str(caught.value) == (
        "found optimiser.momentum=0.8, which has no effect with optimiser.name=adam; "
        "expected optimiser.name=sgd beside it; "
        "leave optimiser.momentum out, or change optimiser.name"
    )


def test_a_file_answers_for_what_it_writes_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", base="park2022/unet-3", method={"positive_weight": 9})
    for overrides in ([], ["seed=1"]):
        with pytest.raises(InputError, match=r"method\.positive_weight=9"):
            load_recipe(path, overrides)
    # An override may put it right.
    assert load_recipe(path, ["method.loss=bce"]).method.positive_weight == 9  # type: ignore[union-attr]


def test_what_a_base_sets_goes_back_to_its_default(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", base="nuclei-light", fit={"fixed_crops": 5})
    assert load_recipe("nuclei-light").fit.foreground_fraction == 0.7
    assert load_recipe(path).fit.foreground_fraction == 0
    # So does what an override takes the effect of; the file is not to blame.
    own = write(tmp_path / "own.yaml", base="nuclei-light", fit={"foreground_fraction": 0.4})
    assert load_recipe(own).fit.foreground_fraction == 0.4
    assert load_recipe(own, ["fit.fixed_crops=5"]).fit.foreground_fraction == 0


def test_a_row_of_a_family_may_need_less_than_all(tmp_path: Path) -> None:
    family = {"base": "park2022/unet-4", "optimiser": {"momentum": 0.8}}
    rows = {"sgd": {}, "adam": {"optimiser": {"name": "adam"}}}
    path = write(tmp_path / "family.yaml", **family, rows=rows)
    assert load_recipe(f"{path}/sgd").optimiser.momentum == 0.8
    assert load_recipe(f"{path}/adam").optimiser.momentum == 0.9
    wrong = {"adam": {"optimiser": {"name": "adam", "momentum": 0.7}}}
    path = write(tmp_path / "wrong.yaml", base="park2022/unet-4", rows=wrong)
    with pytest.raises(InputError, match=r"optimiser\.momentum=0\.7"):
        load_recipe(f"{path}/adam")


def test_a_recipe_written_out_loads_again(tmp_path: Path) -> None:
    recipe = load_recipe("nuclei-light", ["network.decoder=fpn", "fit.max_steps=9"])
    assert not recipe.network.pixel_unshuffle_skip
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe))
    assert load_recipe(str(tmp_path / "recipe.yaml")) == recipe


def test_a_run_to_start_from_gives_settings_their_effect() -> None:
    for overrides in (["network.head=new"], ["network.filters=8"], ["fit.freeze_batchnorm=true"]):
        load_recipe("nuclei-light", overrides, pretrained=True)
        load_recipe("nuclei-light", [*overrides, "network.weights=run", *THESIS])
    with pytest.raises(InputError, match=r"fit\.foreground_fraction"):
        overrides = ["fit.fixed_crops=5", "fit.foreground_fraction=0.5"]
        load_recipe("nuclei-light", overrides, pretrained=True)


THESIS = ["network.decoder=salomon2023-unet"]


def test_decode_settings_are_those_of_the_method() -> None:
    with pytest.raises(InputError, match=r"setting decode\.h"):
        load_recipe("salomon2023-unet", ["decode.h=0.1"])


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"set": {"seed": 3}}, "seed among the settings of a study"),
        ({"set": {"data.labels": "mine"}}, "data.labels among"),
        ({"set": {"fit": {"epochs": 3}}, "limit": {"steps": 5}}, "fit.epochs among"),
        ({"set": {"optimiser.momentum": 0.5}}, "optimiser.momentum=0.5"),
    ],
)
def test_a_study_refuses_what_it_decides_itself(settings: dict[str, object], found: str) -> None:
    study = Study.model_validate({"name": "s", "recipes": ["nuclei-light"]} | settings)
    with pytest.raises(InputError, match=found):
        study.resolve()


def test_a_study_takes_what_has_an_effect() -> None:
    settings = {"fit.epochs": 3, "data.labels": "mine"}
    study = Study.model_validate(
        {"name": "s", "recipes": ["nuclei-light"], "set": settings, "labels": "mine"}
    )
    assert study.resolve()["nuclei-light"].fit.epochs == 3
