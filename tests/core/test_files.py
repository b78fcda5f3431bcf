from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sparcell.core.errors import InputError
from sparcell.core.files import (
    PARTIAL,
    plain_os_errors,
    remove_partial_files,
    sha256,
    whole_file,
    write_json,
)

KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from sparcell.core.files import whole_file
with whole_file(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_success_puts_the_whole_file_there(tmp_path: Path) -> None:
    target = tmp_path / "new" / "table.csv"
    with whole_file(target) as partial:
        partial.write_text("a")
        assert not target.exists()
    assert target.read_text() == "a" and list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("name", ["image.ome.tif", "image.ome.zarr", "table.csv"])
def test_the_partial_name_keeps_the_suffix_and_is_hidden(tmp_path: Path, name: str) -> None:
    with whole_file(tmp_path / name) as partial:
        assert partial.name.endswith(name.removeprefix("image").removeprefix("table"))
        assert partial.name.startswith(".") and partial.parent == tmp_path
        partial.write_text("")


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(target) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_files_are_on_the_disk_before_they_have_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, rename = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        done.append(f"{os.fstat(descriptor).st_size} bytes")
        sync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        done.append(target.name)
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    with whole_file(tmp_path / "a.csv") as partial:
        partial.write_text("abc")
    with whole_file(tmp_path / "a.zarr") as partial:
        (partial / "0" / "c").mkdir(parents=True)
        (partial / "zarr.json").write_text("{}")
        (partial / "0" / "c" / "1").write_text("12345")
    with whole_file(tmp_path / "b.csv", durable=False) as partial:
        partial.write_text("abc")
    assert done[:2] == ["3 bytes", "a.csv"] and sorted(done[2:4]) == ["2 bytes", "5 bytes"]
    assert done[4:] == ["a.zarr", "b.csv"]


def test_a_failed_folder_is_removed_with_its_content(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "image.ome.zarr") as partial:
        (partial / "0").mkdir(parents=True)
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    ended = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(target)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert target.read_text() == "old"
    # What the killed process left is hidden, and the next one is not in its way.
    assert all(path == target or path.name.startswith(".") for path in tmp_path.iterdir())
    with whole_file(target) as partial:
        partial.write_text("new")
    assert target.read_text() == "new"
    (tmp_path / ".image.ome.zarr.7.partial.ome.zarr").mkdir()
    (tmp_path / ".hidden").touch()
    assert len(list(tmp_path.iterdir())) == 4
    remove_partial_files(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {target.name, ".hidden"}


def test_an_image_folder_is_replaced_by_a_new_one(tmp_path: Path) -> None:
    target = tmp_path / "image.ome.zarr"
    (target / "old").mkdir(parents=True)
    with whole_file(target) as partial:
        (partial / "new").mkdir(parents=True)
    assert [path.name for path in target.iterdir()] == ["new"]


def test_a_file_never_replaces_a_folder_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "precious.txt").write_text("x")
    with pytest.raises(InputError, match="no way to write"):
        write_json(tmp_path / "results", {})
    assert (tmp_path / "results" / "precious.txt").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "a full disk"),
        (errno.EDQUOT, "a full disk"),
        (errno.EACCES, "no way to write"),
        (errno.EROFS, "no way to write"),
        (errno.EFBIG, "no way to write"),
        (errno.EIO, "no way to write"),
        (errno.ENAMETOOLONG, "a name too long"),
    ],
)
def test_what_the_system_refuses_is_one_plain_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(self: Path, *args: object, **options: object) -> int:
        self.touch()
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(InputError, match=words) as caught:
        write_json(tmp_path / "record.json", {})
    assert "record.json" in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_the_users_to_choose(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="no way to write"):
        write_json(tmp_path / "file" / "record.json", {})


def test_other_errors_of_the_system_pass() -> None:
    with pytest.raises(TimeoutError), plain_os_errors(Path("x")):
        raise TimeoutError(errno.ETIMEDOUT, "slow")


def test_json_that_others_cannot_read_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"f1": float("nan")})
    assert not list(tmp_path.iterdir())
    write_json(tmp_path / "a.json", {"f1": 0.5})
    assert json.loads((tmp_path / "a.json").read_text()) == {"f1": 0.5}


def test_hashes_of_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "abc").write_text("abc")
    # FIPS 180-2, appendix B.1.
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "abc") == known
    before = sha256(tmp_path)
    (tmp_path / "abc").rename(tmp_path / "abd")
    assert sha256(tmp_path) != before


@pytest.mark.parametrize("name", ["x" * 240 + ".ome.tif", "核" * 80 + ".csv"])
def test_the_longest_names_of_the_disk_are_written(tmp_path: Path, name: str) -> None:
    with whole_file(tmp_path / name) as partial:
        assert partial.suffix == Path(name).suffix and PARTIAL.fullmatch(partial.name)
        partial.write_text("all")
    assert (tmp_path / name).read_text() == "all"


def test_only_what_was_left_unwritten_is_cleared(tmp_path: Path) -> None:
    mine = tmp_path / ".notes.partial_draft.txt"
    mine.write_text("years of work")
    for left in (".a.tif.77.partial.tif", ".record.json.8.partial.json"):
        (tmp_path / left).touch()
    (tmp_path / ".labels.9.partial").symlink_to(tmp_path)
    remove_partial_files(tmp_path)
    assert list(tmp_path.iterdir()) == [mine]
