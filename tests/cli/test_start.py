"""Starting is quick because little is loaded, and only training loads PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HEAVY = ("torch", "lightning", "pandas", "skimage", "matplotlib", "openvino", "onnxruntime", "zarr")
WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "lightning", "timm", "segmentation_models_pytorch"):
    sys.modules[name] = None  # an import of it raises
from sparcell.cli import main
for line in sys.argv[1:]:
    try:
        main(line.split("|"))
    except SystemExit as end:
        if end.code:
            sys.exit(f"{line}: exit code {end.code}")
"""


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True)


def test_importing_the_package_loads_nothing_heavy():
    done = run(f"import sys, sparcell; print([m for m in {HEAVY} if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_help_loads_nothing_heavy_and_names_every_verb():
    code = (
        "import sys\nfrom sparcell.cli import main\n"
        "try:\n    main(['--help'])\n"
        f"except SystemExit:\n    print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = run(code)
    assert done.stdout.strip().endswith("[]")
    for verb in ("demo", "info", "label", "train", "predict", "evaluate", "measure", "report"):
        assert f"  {verb} " in done.stdout


def test_the_everyday_verbs_work_without_pytorch(tmp_path):
    pytest.importorskip("torch")
    from models import bright_model

    from sparcell.io import write_image
    from sparcell.simulation import SimulationSettings, write_dataset

    settings = SimulationSettings(size=(160, 160), cells=12, nucleus_diameter=14)
    write_dataset(tmp_path / "set", settings, seed=1, train=2)
    bright_model().save(tmp_path / "model.zip")
    rng = np.random.default_rng(0)
    write_image(tmp_path / "image.tif", rng.integers(0, 99, (64, 64)).astype(np.uint8), "YX")
    found = tmp_path / "found"
    verbs = (
        ("info", tmp_path / "set"),
        ("label", tmp_path / "set"),
        ("predict", tmp_path / "model.zip", tmp_path / "set" / "images", "-o", found),
        ("measure", found, "-o", tmp_path / "tables"),
        ("evaluate", tmp_path / "set" / "truth", found, "--json", tmp_path / "scores.json"),
        ("recipes", "list"),
    )
    done = run(WITHOUT_TORCH, *("|".join(map(str, verb)) for verb in verbs))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tables" / "counts.csv").exists() and (tmp_path / "scores.json").exists()


def test_predicting_a_file_loads_no_pandas(tmp_path):
    from models import bright_model

    from sparcell.io import write_image

    bright_model().save(tmp_path / "model.zip")
    rng = np.random.default_rng(0)
    write_image(tmp_path / "image.tif", rng.integers(0, 99, (64, 64)).astype(np.uint8), "YX")
    call = f"predict|{tmp_path / 'model.zip'}|{tmp_path / 'image.tif'}|-o|{tmp_path / 'found'}"
    done = run(WITHOUT_TORCH.replace('"torch"', '"pandas", "torch"'), call)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "found" / "overview.html").exists()


def test_training_without_pytorch_says_what_to_install(tmp_path):
    code = (
        "import sparcell.cli.extras as extras\n"
        "extras.find_spec = lambda name: None\n"
        "from sparcell.cli import main\n"
        f"main(['train', 'nuclei-light', '--data', {str(tmp_path)!r}, '-o', 'run'])"
    )
    done = run(code)
    assert done.returncode == 2
    assert "pip install 'sparcell[train,pretrained]'" in done.stderr
    assert not Path("run").exists()


def _stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("place", "command", "resumes"),
    [
        ("sparcell.training.settings.recipe_files", ["recipes", "list"], False),
        ("sparcell.io.list_images", ["info", "a.tif"], False),
        ("sparcell.models.load_model", ["predict", "nuclei", "a.tif", "-o", "out"], True),
        ("sparcell.studies.load_study", ["study", "s.yaml", "--data", "d", "-o", "o"], True),
    ],
)
def test_ctrl_c_says_how_to_go_on_where_one_can(monkeypatch, capsys, place, command, resumes):
    from sparcell.cli import main

    monkeypatch.setattr(place, _stop)
    with pytest.raises(SystemExit) as end:
        main(command)
    said = capsys.readouterr().err
    assert end.value.code == 130 and "Stopped, finished results remain." in said
    assert ("--resume" in said) == resumes


def test_ctrl_c_before_the_verb_begins_is_a_line_too(monkeypatch, capsys):
    import sparcell.cli

    monkeypatch.setattr(sparcell.cli, "register", _stop)
    with pytest.raises(SystemExit) as end:
        sparcell.cli.main(["info"])
    assert end.value.code == 130 and "Stopped." in capsys.readouterr().err


def test_ctrl_c_while_libraries_load_leaves_no_traceback(tmp_path):
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    call = [sys.executable, "-m", "sparcell", "--version"]
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        call, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert done.returncode == 130 and done.stderr == "Stopped.\n"


@pytest.mark.parametrize(("word", "code"), [("--version", 0), ("--nope", 2)])
def test_what_is_to_be_done_at_the_end_is_done(word, code):
    done = run(
        "import atexit, sys\natexit.register(print, 'the end')\n"
        f"sys.argv = ['sparcell', {word!r}]\nfrom sparcell.__main__ import main\nmain()"
    )
    assert done.returncode == code and done.stdout.endswith("the end\n")
    assert ("sparcell 0." in done.stdout) == (code == 0)


def test_a_wrong_option_is_named(capsys):
    from sparcell.cli import main

    with pytest.raises(SystemExit) as end:
        main(["predict", "--nope"])
    assert end.value.code == 2 and "--nope" in capsys.readouterr().err
