"""Hostile YAML, archives and datasets: references, bombs, names that lead out, links."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attacks import ATTACKS, EXECUTED, IMPORT, MANY, VICTIM, Attack, attack, predict, write_sample
from campaign import Words
from sample_field import RUNTIME


def _aliases() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines)


YAMLS = {
    "aliases": "{key}: [1]\n" + _aliases() + "\n{key}s: *a11\n",
    "an alias as value": _aliases() + "\n{key}: *a11\n",
    "deep lists": "{key}: " + "[" * 20_000,
    "deep mappings": "{key}: " + "{a: " * 5_000,
    "a tag that runs code": "{key}: !!python/object/apply:os.system [touch executed]\n",
    "a long text": "{key}: " + "x" * 10_000_000 + "\n",
    "itself": "{key}: &a [*a]\n",
}
READERS_OF_YAML = {
    "dataset.yaml": ("stain", ("info", ".")),
    "mine.yaml": ("base", ("recipes", "show", "mine.yaml")),
    "study.yaml": ("recipes", ("study", "study.yaml", "--data", ".", "-o", "out", "--dry-run")),
}


def _yaml_attacks() -> Iterator[Attack]:
    for what, text in YAMLS.items():
        for file, (key, words) in READERS_OF_YAML.items():

            def make(
                folder: Path,
                text: str = text,
                file: str = file,
                key: str = key,
                words: Words = words,
            ) -> tuple[Words, ...]:
                (folder / file).write_text(text.replace("{key}", key), "utf8")
                return (words,)

            yield Attack("YAML", f"{what} in {file}", make)

        def package(folder: Path, text: str = text) -> tuple[Words, ...]:
            with zipfile.ZipFile(folder / "bad.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("rdf.yaml", text.replace("{key}", "description"))
            return (
                ("models", "show", "bad.zip"),
                ("predict", "bad.zip", "images", "-o", "out", *RUNTIME),
            )

        yield Attack("YAML", f"{what} in a package", package)


ATTACKS.extend(_yaml_attacks())


def _zip(path: Path, parts: dict[str, bytes], link: str = "") -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        if link:
            info = zipfile.ZipInfo("link")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, link)


ZIPPED = {
    "zipped OME-Zarr": ("info", "FILE"),
    "model.zip": ("models", "show", "FILE"),
    "wells": ("measure", "labels", "-o", "out", "--wells", "FILE"),
    "ImageJ ROI": ("import", "FILE", *IMPORT),
}
PARTS: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "names that lead out": lambda parts: (
        {f"../victim/{name}": c for name, c in parts.items()} | {"../victim/keep.txt": b"changed"}
    ),
    "absolute names": lambda parts: parts | {f"/tmp/{EXECUTED}": b"x"},
    "60,000 parts": lambda parts: parts | {f"more/{n}": b"" for n in range(60_000)},
    "a bomb in each part": lambda parts: {name: bytes(MANY) for name in parts},
    "a bomb behind each part": lambda parts: {
        name: content + bytes(MANY // 4) for name, content in parts.items()
    },
}


def _archive_attacks() -> Iterator[Attack]:
    for kind, words in ZIPPED.items():
        for what, change in PARTS.items():

            def make(
                folder: Path, kind: str = kind, words: Words = words, change: Any = change
            ) -> tuple[Words, ...]:
                file = write_sample(kind, folder)
                file = file.with_name("A1.zip") if kind == "ImageJ ROI" else file
                with zipfile.ZipFile(file) as archive:
                    parts = {name: archive.read(name) for name in archive.namelist()}
                _zip(file, change(parts), link=f"../{VICTIM}")
                named = str(file.relative_to(folder))
                return (tuple(named if word == "FILE" else word for word in words),)

            yield Attack("archives", f"{what} in {kind}", make)


ATTACKS.extend(_archive_attacks())


def _record(folder: Path, to: str) -> None:
    record = {"verb": "label", "settings": {"to": to}, "finished": "2024-05-03T00:00:00+00:00"}
    (folder / "record.json").write_text(json.dumps(record))


@attack("datasets")
def record_that_names_a_folder_outside(folder: Path) -> tuple[Words, ...]:
    _record(folder, "../victim")
    return (("label", ".", "--from", "points", "--overwrite"),)


@attack("datasets")
def record_that_names_the_images(folder: Path) -> tuple[Words, ...]:
    _record(folder, "images")
    (folder / "images" / "A1.tif").rename(folder.parent / "victim" / "A1.tif")
    (folder / "images" / "A1.tif").symlink_to(folder.parent / "victim" / "A1.tif")
    return (("label", ".", "--overwrite"),)


@attack("datasets")
def results_that_are_links(folder: Path) -> tuple[Words, ...]:
    (folder / "out").mkdir()
    (folder / "out" / "labels").symlink_to(folder.parent / "victim")
    (folder / "out" / "counts.csv").symlink_to(folder.parent / VICTIM)
    return tuple(
        ("predict", "model.zip", "images", "-o", "out", *RUNTIME, *more)
        for more in ((), ("--resume",))
    )


@attack("datasets")
def labels_that_are_a_link(folder: Path) -> tuple[Words, ...]:
    (folder / "labels").rename(folder / "truth")
    (folder / "labels").symlink_to(folder.parent / "victim")
    (folder / "stain").symlink_to("images")
    _record(folder, "labels")
    return (("label", ".", "--overwrite"),)


@attack("datasets")
def folders_inside_themselves(folder: Path) -> tuple[Words, ...]:
    (folder / "images" / "again").symlink_to(folder / "images")
    (folder / "images" / "loop.ome.zarr").symlink_to(folder / "images" / "loop.ome.zarr")
    return (("info", "."), predict("images"))
