"""A user's mistake: one plain line, exit code 2, nothing half-written."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

pytest.importorskip("torch")

from models import bright_model

from sparcell.cli import main

RNG = np.random.default_rng(0)
GOOD = RNG.integers(0, 200, (64, 80)).astype(np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.zip"
    bright_model().save(path)
    return path


@pytest.fixture
def sparcell(capsys):
    """Run the command line; give the exit code and what was said."""

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return int(end.value.code or 0), captured.err + captured.out

    return run


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, **options)
    return path


def truncated(path: Path) -> None:
    write(path, GOOD)
    path.write_bytes(path.read_bytes()[: len(GOOD.tobytes()) // 2])


BAD_IMAGES = {
    "corrupt": lambda path: path.write_bytes(b"II*\x00" + RNG.bytes(400)),
    "no_image": lambda path: path.write_text("not an image"),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": truncated,
    "constant": lambda path: write(path, np.full((64, 80), 7, np.uint8)),
    "one_pixel": lambda path: write(path, np.full((1, 1), 7, np.uint8)),
    "nan": lambda path: write(path, np.full((64, 80), np.nan, np.float32)),
    "rgb": lambda path: write(path, np.stack([GOOD, 255 - GOOD, GOOD], -1), photometric="rgb"),
    "ambiguous": lambda path: write(path, np.stack([GOOD] * 5)),
}


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if "partial" in path.name]


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_a_bad_image_is_listed_and_does_not_stop_the_batch(sparcell, model, tmp_path, kind):
    write(tmp_path / "in" / "a_good.tif", GOOD)
    BAD_IMAGES[kind](tmp_path / "in" / "b_bad.tif")
    write(tmp_path / "in" / "c_good.tif", GOOD)
    code, said = sparcell("predict", model, tmp_path / "in", "-o", tmp_path / "out")
    assert code == 2
    assert "1 image could not be predicted:" in said
    # One line, which names the file once.
    assert said.count("b_bad.tif") == 1
    reason = next(line for line in said.splitlines() if "b_bad.tif" in line)
    assert re.search(r"found|has \d channels|has \d layers", reason)
    written = sorted(path.name for path in (tmp_path / "out" / "labels").iterdir())
    assert written == ["a_good.tif", "c_good.tif"]
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_a_bad_stain_is_refused_with_its_reason(sparcell, tmp_path, kind):
    for name in ("a", "b"):
        write(tmp_path / "set" / "images" / f"{name}.tif", GOOD)
    write(tmp_path / "set" / "stain" / "a.tif", GOOD.astype(np.uint16))
    BAD_IMAGES[kind](tmp_path / "set" / "stain" / "b.tif")
    code, said = sparcell("label", tmp_path / "set")
    rows = (tmp_path / "set" / "quality.csv").read_text().splitlines()
    assert rows[2].startswith("b,False,") and "b: refused" in said
    assert code == 2 and not leftovers(tmp_path)


def test_sizes_that_differ_are_named(sparcell, tmp_path):
    write(tmp_path / "set" / "images" / "a.tif", GOOD)
    write(tmp_path / "set" / "stain" / "a.tif", GOOD[:32].astype(np.uint16))
    code, said = sparcell("label", tmp_path / "set")
    assert code == 2 and "64" in said and "32" in said


def test_no_pairs_says_which_names_there_are(sparcell, tmp_path):
    write(tmp_path / "set" / "images" / "a.tif", GOOD)
    write(tmp_path / "set" / "stain" / "b_dapi.tif", GOOD)
    code, said = sparcell("label", tmp_path / "set")
    assert code == 2 and "b_dapi" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no model"),
        (b"PK\x03\x04 torn", "no Sparcell model"),
        (b"hello", "no Sparcell model"),
    ],
)
def test_a_file_that_is_no_model(sparcell, tmp_path, content, says):
    image = write(tmp_path / "a.tif", GOOD)
    path = tmp_path / "model.zip"
    if content is not None:
        path.write_bytes(content)
    code, said = sparcell("predict", path, image, "-o", tmp_path / "out")
    assert code == 2 and says in said and not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_full_disk_or_a_forbidden_folder(sparcell, model, tmp_path, monkeypatch, number):
    image = write(tmp_path / "a.tif", GOOD)

    def refuse(self, *_, **__):
        raise OSError(number, "refused")

    monkeypatch.setattr(Path, "write_text", refuse)
    code, said = sparcell("predict", model, image, "-o", tmp_path / "out")
    expected = "full disk" if number == errno.ENOSPC else "no way to write"
    assert code == 2 and expected in said and not leftovers(tmp_path)


def test_nothing_to_predict(sparcell, model, tmp_path):
    code, said = sparcell("predict", model, tmp_path / "nothing*.tif", "-o", tmp_path / "out")
    assert code == 2 and "nothing*.tif" in said


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("fit.epoch=3", "fit.epoch"),
        ("optimiser.lr=-1", "optimiser.lr"),
        ("method.name=semantics", "method"),
        ("nonsense", "key=value"),
    ],
)
def test_unknown_settings(sparcell, tmp_path, setting, says):
    write(tmp_path / "set" / "images" / "a.tif", GOOD)
    code, said = sparcell(
        "train",
        "nuclei-light",
        "--data",
        tmp_path / "set",
        "-o",
        tmp_path / "run",
        "--set",
        setting,
    )
    assert code == 2 and says in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_an_unknown_recipe_names_those_there_are(sparcell, tmp_path):
    code, said = sparcell("train", "unet", "--data", tmp_path, "-o", tmp_path / "run")
    assert code == 2 and "nuclei-light" in said


def test_evaluate_says_what_has_no_partner(sparcell, tmp_path):
    write(tmp_path / "truth" / "a.tif", (GOOD > 100).astype(np.uint8))
    write(tmp_path / "found" / "b.tif", (GOOD > 100).astype(np.uint8))
    code, said = sparcell("evaluate", tmp_path / "truth", tmp_path / "found")
    assert code == 2 and "No partner for a (" in said and "and b (" in said


def test_a_fault_of_ours_is_one_line_and_a_file(sparcell, monkeypatch, tmp_path):
    def broken(*_, **__):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("sparcell.io.list_images", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, said = sparcell("info", tmp_path)
    (report,) = tmp_path.glob("sparcell-fault-*.txt")
    assert code == 1 and said == (
        "sparcell: a fault of Sparcell's: ZeroDivisionError: ours; please report it with the file "
        f"{report}\n"
    )
    assert report.read_text().endswith("\nZeroDivisionError: ours\n")
    assert report.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (MemoryError("Unable to allocate 9 TiB"), 2, "found too little memory (Unable to allocate"),
        (OSError(errno.EFBIG, "File too large", "big.csv"), 2, "no way to write big.csv"),
        (OSError(errno.EACCES, "Permission denied", "locked"), 2, "no permission for locked (Perm"),
        (OSError(errno.ENOSPC, "No space left"), 2, "a full disk while writing the output"),
        (EOFError("Ran out of input"), 1, "a fault of Sparcell's: EOFError: Ran out of input"),
    ],
)
def test_errors_of_the_system_are_lines(sparcell, monkeypatch, tmp_path, error, code, says):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr("sparcell.io.list_images", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended, said = sparcell("info", tmp_path)
    assert ended == code and says in said and said.strip().count("\n") == 0


def test_a_long_quote_and_escape_sequences_make_one_plain_line(sparcell, tmp_path):
    path = tmp_path / "set" / "dataset.yaml"
    path.parent.mkdir()
    path.write_text('? "a\\e[31m\\n' + 5000 * "b" + '"\n: x\n')
    code, said = sparcell("info", tmp_path / "set")
    assert code == 2 and said.count("\n") == 1 and "\x1b" not in said
    assert "'a\\x1b[31m b" in said and len(said) < 1500


def test_info_describes_the_others_and_ends_with_2_where_a_file_cannot_be_read(sparcell, tmp_path):
    write(tmp_path / "a.tif", np.zeros((8, 8), np.uint8))
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:60])
    code, said = sparcell("info", tmp_path)
    assert code == 2 and "a.tif: 8 Y x 8 X" in said and "b.tif" in said


def test_an_image_of_many_channels_is_one_short_line(sparcell, tmp_path):
    write(tmp_path / "a.tif", np.zeros((900, 4, 4), np.uint8), metadata={"axes": "CYX"})
    code, said = sparcell("info", tmp_path / "a.tif")
    assert code == 0 and "900 C x 4 Y x 4 X" in said and "channels 0, 1, 2" in said
    assert len(said.splitlines()[0].removeprefix(str(tmp_path))) < 500
