"""`label` in several processes: the same results, and how they end; earlier labels until then."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from bases.ending import WAIT, wait_for_end
from bases.labelers import KilledLabeler
from pictures import grid, stain_of

from sparcell.annotations.labelled_dataset import check_finished
from sparcell.cli import main
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.io import write_image
from sparcell.labeling import label

TRUTH = grid((160, 200), 40, 9)
TABLES = ("quality.csv", "contact_sheet.png", "dataset.yaml")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Dataset of two fields."""
    for seed, name in enumerate("ab"):
        stain = stain_of(TRUTH, seed=seed).astype(np.uint16)
        write_image(tmp_path / "set" / "images" / f"{name}.tif", np.zeros_like(stain), "YX")
        write_image(tmp_path / "set" / "stain" / f"{name}.tif", stain, "YX")
    return tmp_path / "set"


def contents(root: Path) -> dict[str, bytes]:
    """All files of a folder, hidden ones too."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def hidden(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("preset", ["auto", "salomon2023"])
def test_several_processes_give_the_results_of_one(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], preset: str
) -> None:
    bad = data / "stain" / "a.tif"
    shutil.copy(data / "images" / "b.tif", data / "images" / "c.tif")
    shutil.copy(data / "stain" / "b.tif", data / "stain" / "c.tif")
    bad.write_bytes(bad.read_bytes()[:600])
    # Without lines on progress, which depend on the time.
    command = ["label", str(data), "--preset", preset]
    said = []
    for number in "12":
        out = tmp_path / number
        with pytest.raises(SystemExit) as end:
            main(["-q", *command, "-o", str(out), "--workers", number])
        assert end.value.code == 2
        said.append(capfd.readouterr().err.replace(str(out), "OUT"))
    assert said[0] == said[1] and "a: refused, unusable" in said[0]
    one, two = contents(tmp_path / "1"), contents(tmp_path / "2")
    assert one.keys() == two.keys()
    same = [name for name in one if name in TABLES]
    assert len(same) == (3 if preset == "auto" else 2)
    assert [one[name] for name in same] == [two[name] for name in same]
    images = [name for name in one if name.endswith(".tif")]
    # Two fields with labels and ignore masks, or crops with images and stains beside their labels.
    assert len(images) == (4 if preset == "auto" else 6)
    for name in images:
        pixels = [tifffile.imread(tmp_path / number / name) for number in "12"]
        assert pixels[0].dtype == pixels[1].dtype and np.array_equal(*pixels)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_killed_process_costs_neither_the_command_nor_earlier_labels(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def run_and_kill(*more: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("sparcell.labeling.batch.find_labeler", lambda *_: KilledLabeler())
            with pytest.raises(SystemExit) as end:
                main(["label", str(data), "--workers", "2", *more])
        assert end.value.code == 2
        assert re.fullmatch(
            r"sparcell: found a worker process that was killed.*--workers 1\n",
            capfd.readouterr().err,
        )

    run_and_kill()
    assert hidden(data) == [] and not (data / "labels" / "b.tif").exists()
    label(data, overwrite=True)
    capfd.readouterr()
    before = contents(data)
    run_and_kill("--overwrite")
    assert contents(data) == before


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_ctrl_c_ends_all_processes(data: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop())\n"
        "from bases.labelers import EndlessLabeler\n"
        "from sparcell.labeling import batch\n"
        "batch.find_labeler = lambda *_: EndlessLabeler()\n"
        "from sparcell.__main__ import main; main()"
    )
    arguments = ["label", str(data), "--workers", "2", str(Path(__file__).parents[1])]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        # A group of its own, as a terminal gives to a command; Ctrl-C is not ignored there.
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        until = time.monotonic() + WAIT
        while len(hidden(data / "labels")) < 2:
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.05)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) >= 2
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=WAIT)
    assert process.returncode == 130
    assert said == "Stopped, finished results remain.\n"
    wait_for_end(worker.pid for worker in workers)
    assert hidden(data) == []


@pytest.mark.parametrize("moment", ["labelling", "removal", "move"])
def test_labels_are_the_earlier_ones_or_unfinished(
    data: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    label(data)
    before = contents(data)
    write_image(data / "stain" / "a.tif", stain_of(TRUTH, seed=7), "YX")
    before["stain/a.tif"] = (data / "stain" / "a.tif").read_bytes()

    def stop(path: Path, *_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def stop_at_labels(path: Path, *_: object, **__: object) -> None:
        if path == data / "labels":
            (path / "b.tif").unlink()
            raise KeyboardInterrupt
        rmtree(path, ignore_errors=True)

    def stop_at_last(path: Path, place: Path) -> Path:
        if path.parts[-2:] == ("labels", "b.tif"):
            raise KeyboardInterrupt
        return rename(path, place)

    rmtree, rename = shutil.rmtree, Path.replace
    with monkeypatch.context() as patch:
        if moment == "labelling":
            patch.setattr("sparcell.labeling.batch._write_quality", stop)
        elif moment == "removal":
            patch.setattr(shutil, "rmtree", stop_at_labels)
        else:
            patch.setattr(Path, "replace", stop_at_last)
        with pytest.raises(KeyboardInterrupt):
            label(data, overwrite=True)
    if moment == "labelling":
        assert contents(data) == before
        check_finished(Dataset.open(data))
    else:
        with pytest.raises(InputError, match="was stopped"):
            check_finished(Dataset.open(data))
    label(data, overwrite=True)
    check_finished(Dataset.open(data))
    assert sorted(contents(data)) == sorted(before)
    assert contents(data)["quality.csv"] != before["quality.csv"]
