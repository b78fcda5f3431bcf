from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from foreign_packages import npy, zipped

from sparcell.core.errors import InputError
from sparcell.models import package as module
from sparcell.models.package import open_package

FILES = {"rdf.yaml": b"type: model", "deep/a.npy": npy(np.arange(3))}


def both(tmp_path: Path) -> list[Path]:
    for name, content in FILES.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    return [tmp_path / "folder", zipped(FILES, tmp_path / "a.zip")]


def test_a_folder_and_a_zip_hold_the_same(tmp_path: Path) -> None:
    for path in both(tmp_path):
        with open_package(path) as package:
            assert sorted(package.names) == sorted(FILES)
            assert package.read("rdf.yaml") == b"type: model"
            assert package.array("deep/a.npy").tolist() == [0, 1, 2]
            assert package.description == "rdf.yaml"


def test_a_zip_of_a_folder_has_its_description_one_level_down(tmp_path: Path) -> None:
    inner = {f"mine/{name}": content for name, content in FILES.items()}
    with open_package(zipped(inner, tmp_path / "a.zip")) as package:
        assert package.description == "mine/rdf.yaml"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.npy", "no none.npy in"),
        ("../b.npy", "a file outside the package"),
        ("/etc/hosts", "a file outside the package"),
        ("C:\\b.npy", "a file outside the package"),
        ("https://example.org/a.onnx", "which is elsewhere"),
    ],
)
def test_what_is_not_inside_is_not_read(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "b.npy").write_bytes(b"secret")
    for path in both(tmp_path):
        with open_package(path) as package, pytest.raises(InputError, match=words):
            package.read(name)


def test_a_link_out_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    folder, _ = both(tmp_path)
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    with open_package(folder) as package, pytest.raises(InputError, match="a link to a file"):
        package.read("link")


@pytest.mark.parametrize("name", ["../evil", "/evil", "deep/../../evil", "..\\evil"])
def test_a_zip_that_names_files_outside_is_refused(tmp_path: Path, name: str) -> None:
    path = zipped({**FILES, name: b"x"}, tmp_path / "a.zip")
    with pytest.raises(InputError, match="a file outside the package"), open_package(path):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "ab":
            with archive.open(name, "w") as file:
                for _ in range(20):
                    file.write(bytes(1 << 20))
    assert path.stat().st_size < 100_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LARGEST", 30 << 20)
        with pytest.raises(InputError, match=r"unpacks to 0\.0 GiB"), open_package(path):
            pass
    with open_package(path) as package:
        assert len(package.read("a")) == 20 << 20


def test_a_size_that_is_a_lie_unpacks_no_more_than_it_says(tmp_path: Path) -> None:
    path = zipped({"a": bytes(1 << 20)}, tmp_path / "a.zip")
    content = path.read_bytes().replace((1 << 20).to_bytes(4, "little"), (9).to_bytes(4, "little"))
    path.write_bytes(content)
    with open_package(path) as package, pytest.raises(InputError, match="Bad CRC-32"):
        package.read("a")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 torn"])
def test_what_is_no_zip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match="no Sparcell model"), open_package(tmp_path / "a.zip"):
        pass


def test_arrays_of_objects_and_impossible_sizes(tmp_path: Path) -> None:
    header = npy(np.zeros((2, 3)))
    huge = header.replace(b"(2, 3), }", b"(9" + b"9" * 12 + b",)}")
    assert huge != header
    parts = {"huge.npy": huge, "text.npy": b"hello", "many.npy": _npz()}
    with open_package(zipped(parts, tmp_path / "a.zip")) as package:
        for name in parts:
            with pytest.raises(InputError):
                package.array(name)


def test_arrays_of_more_numbers_than_a_network_can_take(tmp_path: Path) -> None:
    parts = {"a.npy": npy(np.zeros((1 << 15, 1 << 11), np.uint8)), "b.npy": npy(np.zeros(3))}
    for path in (zipped(parts, tmp_path / "a.zip"), tmp_path):
        (tmp_path / "a.npy").write_bytes(parts["a.npy"])
        (tmp_path / "b.npy").write_bytes(parts["b.npy"])
        with open_package(path) as package:
            assert package.array("b.npy").tolist() == [0, 0, 0]
            with pytest.raises(InputError, match="67108864 numbers, at most 33554432"):
                package.array("a.npy")
            with pytest.raises(InputError, match="64 MiB, at most 2 are read"):
                package.read("a.npy", 2 << 20)


def _npz() -> bytes:
    import io

    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(2), b=np.zeros(3))
    return stream.getvalue()
