from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import ValidationError

from sparcell import methods
from sparcell.core.errors import InputError
from sparcell.methods import METHODS
from sparcell.methods.semantic.config import SemanticConfig
from sparcell.training.recipe import Recipe, dump_recipe, load_recipe
from sparcell.training.settings import recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_loads_and_survives_being_written_out(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name and recipe.description
    assert Recipe.model_validate(yaml.safe_load(dump_recipe(recipe))) == recipe


def test_the_thesis_recipe_has_the_published_values() -> None:
    recipe = load_recipe("salomon2023-unet")
    # Thesis 5.3.1: the list of hyperparameters.
    method = recipe.method
    assert isinstance(method, SemanticConfig)
    assert (method.loss, method.gamma, method.alpha) == ("focal", 2.0, 0.5)
    network = recipe.network
    assert (network.decoder, network.weights) == ("salomon2023-unet", "none")
    assert (network.filters, network.dropout) == (64, 0.05)
    optimiser = recipe.optimiser
    assert (optimiser.name, optimiser.lr, optimiser.schedule) == ("adam", 2e-4, "constant")
    assert optimiser.weight_decay == optimiser.clip_norm == 0
    fit = recipe.fit
    assert (fit.batch, fit.epochs, fit.patience) == (4, 3000, 250)
    assert (fit.monitor, fit.tune_decoding, fit.foreground_fraction) == ("val_loss", False, 0)
    # 5.3.2: rotation, shifts, shear and flips, and nothing else.
    augment = recipe.augment
    assert augment.rotation > 0 and augment.shift > 0 and augment.shear > 0 and augment.flip
    assert augment.scale == augment.gain == augment.offset == augment.noise == augment.blur == 0


def test_every_folder_of_methods_is_registered_and_can_be_asked_for() -> None:
    configs = get_args(Recipe.model_fields["method"].annotation)
    folders = {path.parent.name for path in Path(methods.__file__).parent.glob("*/config.py")}
    assert {config.model_fields["name"].default for config in configs} == set(METHODS) == folders


def test_a_recipe_takes_whatever_method_is_registered() -> None:
    code = (
        "from dataclasses import replace\n"
        "from typing import Literal\n"
        "from sparcell.methods import METHODS, SEMANTIC\n"
        "class NewConfig(SEMANTIC.config):\n"
        "    name: Literal['new'] = 'new'\n"
        "    power: int = 1\n"
        "METHODS.register('new')(replace(SEMANTIC, name='new', config=NewConfig))\n"
        "from sparcell.training import load_recipe\n"
        "print(load_recipe('nuclei-light', ['method.name=new', 'method.power=3']).method.power)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"


def test_settings_say_what_they_are() -> None:
    plain = {"name", "description", "weight_decay", "schedule", "schema_version", "seed"}
    for part in ("data", "augment", "fit", "optimiser", "normalise", "network"):
        kind = Recipe.model_fields[part].annotation
        assert kind is not None
        for name, field in kind.model_fields.items():
            assert name in plain or field.description, f"{part}.{name}"


def test_reading_a_recipe_needs_no_pytorch() -> None:
    code = (
        "import sys; from sparcell.training import load_recipe; load_recipe('salomon2023-unet');"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("override", "group", "name", "value"),
    [
        ("optimiser.lr=1e-3", "optimiser", "lr", 1e-3),
        ("optimiser.lr=0.001", "optimiser", "lr", 1e-3),
        ("fit.epochs=20", "fit", "epochs", 20),
        ("fit.crops_per_epoch=1e3", "fit", "crops_per_epoch", 1000),
        ("augment.flip=false", "augment", "flip", False),
        ("network.weights=runs/one", "network", "weights", "runs/one"),
        ("network.decoder_channels=[8, 8, 8, 8, 8]", "network", "decoder_channels", (8,) * 5),
        ("data.where.cell=HeLa", "data", "where", {"cell": "HeLa"}),
        ("data.where.plate=3", "data", "where", {"plate": "3"}),
        ("data.where={plate: [1, 2]}", "data", "where", {"plate": ["1", "2"]}),
        (" fit.epochs =20", "fit", "epochs", 20),
    ],
)
def test_settings_from_the_command_line(
    override: str, group: str, name: str, value: object
) -> None:
    recipe = load_recipe("nuclei-light", [override])
    assert getattr(getattr(recipe, group), name) == value


def test_the_last_of_several_settings_counts() -> None:
    assert load_recipe("nuclei-light", ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("fit.epoch=20", r"nuclei-light has no setting fit\.epoch\. Did you mean fit\.epochs\?"),
        ("fit.epochs=0", r"setting fit\.epochs"),
        ("fit.epochs=many", r"setting fit\.epochs"),
        ("fit.crop=500", r"setting fit\.crop.*multiple of 32"),
        ("network.shrink=2", r"fit\.crop=160.*multiples of 64"),
        ("network={decoder: fpn, shrink: 2}", "shrink=2 without pixel_unshuffle_skip"),
        ("optimiser.lr=nan", r"setting optimiser\.lr"),
        ("schema_version=3", "setting schema_version"),
        ("method.name=magic", "setting method"),
        ("fit.epochs", "key=value"),
        ("name.first=3", "name has no parts"),
        ("fit.epochs=[1", r"the value \[1"),
        ("fit=3", "setting fit"),
    ],
)
def test_a_wrong_setting_is_one_line(override: str, part: str) -> None:
    with pytest.raises(InputError, match=part) as caught:
        load_recipe("nuclei-light", [override])
    assert "\n" not in str(caught.value)


def write(path: Path, **settings: object) -> str:
    path.write_text(yaml.safe_dump(settings))
    return str(path)


def test_a_recipe_names_only_what_differs_from_its_base(tmp_path: Path) -> None:
    base = load_recipe("nuclei-light")
    path = write(tmp_path / "mine.yaml", base="nuclei-light", name="mine", fit={"epochs": 3})
    recipe = load_recipe(path)
    assert recipe.name == "mine" and recipe.fit.epochs == 3
    assert recipe.fit == base.fit.model_copy(update={"epochs": 3})
    assert recipe.augment == base.augment and recipe.method == base.method


def test_a_base_is_looked_for_beside_its_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes" / "shared").mkdir(parents=True)
    write(tmp_path / "recipes" / "shared" / "low.yaml", base="nuclei-light", seed=5)
    write(tmp_path / "recipes" / "middle.yaml", base="shared/low.yaml", fit={"epochs": 2})
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "recipes" / "top.yaml", base="middle.yaml", name="top")
    recipe = load_recipe("recipes/top.yaml", ["fit.batch=2"])
    assert (recipe.name, recipe.seed, recipe.fit.epochs, recipe.fit.batch) == ("top", 5, 2, 2)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"a: [", "no YAML"),
        (b"\xff\xfe\x00", "no YAML"),
        (b"", "without settings"),
        (b"- name", "without settings"),
        (b"name: x", "setting method"),
        (b"base: none-such", "no recipe 'none-such'"),
        (b"base: bad.yaml", "its own base"),
        (b"base: nuclei-light\nfit:", "setting fit"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, content: bytes, part: str) -> None:
    (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(InputError, match=part) as caught:
        load_recipe(str(tmp_path / "bad.yaml"))
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        InputError, match=r"no recipe 'thesis'.*nuclei-light, park2022, .*salomon2023-unet"
    ):
        load_recipe("thesis")
    with pytest.raises(InputError, match=r"did you mean bonte2023-light/nuclei\?"):
        load_recipe("bonte-light/nuclei")


def test_a_recipe_does_not_change() -> None:
    recipe = load_recipe("nuclei-light")
    with pytest.raises(ValidationError):
        recipe.seed = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        recipe.fit.epochs = 3  # type: ignore[misc]
