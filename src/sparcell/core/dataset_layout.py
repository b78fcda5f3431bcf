"""Where the files of a dataset are: its folders, and ``dataset.yaml`` that names others."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize

import yaml
from pydantic import ValidationError

from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.image_files import IMAGE_SUFFIXES, stem, without_companions, without_previews
from sparcell.core.image_ref import ImageRef
from sparcell.core.yaml_files import read_yaml

KINDS = {
    "images": IMAGE_SUFFIXES,
    "stain": IMAGE_SUFFIXES,
    "labels": IMAGE_SUFFIXES,
    "ignore": IMAGE_SUFFIXES,
    "masks": IMAGE_SUFFIXES,
    "points": (".csv", ".tsv", ".xlsx"),
    "tracks": (".txt",),
}
ALL = "all"
"""The word for all scenes of each file."""
SELECTABLE = ("images", "stain")
"""Kinds that may be some scenes, channels or depths of their files."""


class FileLocation(NamedTuple):
    """Where the files of a kind are, and which scenes, channels and depths of them count.

    Attributes
    ----------
    files : str
        A folder, or a pattern with ``{name}``, relative to the dataset folder.
    selection : ChannelSelection
    scene : str or None
        The scene that is read of each file, by name or number; ``all`` for all scenes, each of
        which is a field.
    scenes : dict or None
        Name of a file without suffix to the names of its scenes, each of which is a field.
    """

    files: str
    selection: ChannelSelection = WHOLE
    scene: str | None = None
    scenes: Mapping[str, tuple[str, ...]] | None = None

    def list_fields(self, root: Path, suffixes: tuple[str, ...]) -> dict[str, ImageRef]:
        """List the files of this kind by the names of their fields."""
        fields: dict[str, ImageRef] = {}
        for name, path in list_files(root, self.files, suffixes).items():
            for ref in self._images_in(path, name):
                every = self.scene == ALL or name in (self.scenes or {})
                # In a pattern, the name of a field is a part of the file's.
                field = name + ref.name.removeprefix(ref.stem) if every else name
                if field in fields:
                    raise InputError(
                        f"several images called {field} in {root / self.files}",
                        "one image of each name",
                        "move the other file away, or correct the scenes in dataset.yaml",
                    )
                fields[field] = ref
        missing = sorted((self.scenes or {}).keys() - {stem(r.path) for r in fields.values()})
        if missing:
            raise InputError(
                f"scenes of '{missing[0]}' in dataset.yaml, for which there is no file in "
                f"{root / self.files}",
                "names of files without suffix",
                "correct the name",
            )
        return fields

    def _images_in(self, path: Path, name: str) -> list[ImageRef]:
        """Refer to the scenes of a file that are fields."""
        if self.scene == ALL:
            # Only the readers, which are in a layer above, know what a file holds.
            found = import_module("sparcell.io").expand_scenes(path)
            return [replace(ref, selection=self.selection) for ref in found]
        scenes = (self.scenes or {}).get(name, (self.scene,))
        return [ImageRef(path, scene, selection=self.selection) for scene in scenes]


def read_layout(root: Path) -> dict[str, FileLocation]:
    """Places of kinds that ``dataset.yaml`` gives; none where there is no such file."""
    path = root / "dataset.yaml"
    if not path.exists():
        return {}
    try:
        layout = read_yaml(path.read_bytes())
    except (yaml.YAMLError, OSError) as error:
        raise InputError(
            f"{path} that is no YAML ({error})", "kind: folder", "correct it"
        ) from error
    if not isinstance(layout, dict):
        raise InputError(
            f"{path} with an entry that is not kind: folder", "text values", "correct it"
        )
    unknown = sorted(map(str, set(layout) - set(KINDS)))
    if unknown:
        raise InputError(
            f"'{unknown[0]}' in {path}", "one of " + ", ".join(KINDS), "correct the spelling"
        )
    return {kind: _read_place(value, kind, path) for kind, value in layout.items()}


def _read_place(value: Any, kind: str, path: Path) -> FileLocation:
    if isinstance(value, str):
        return FileLocation(value)
    files = value.get("files") if isinstance(value, dict) else None
    if not isinstance(files, str):
        raise InputError(
            f"{kind}: {value} in {path}",
            "a folder, or {files: folder, channels: names or numbers, depths: channels, "
            "scene: name}",
            "correct it",
        )
    try:
        own = ("files", "scene", "scenes")
        selected = {key: part for key, part in value.items() if key not in own}
        selection = ChannelSelection.model_validate(selected)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{first['loc'][0]}: {value.get(first['loc'][0])} for {kind} in {path}",
            "files; channels: names or numbers from 0; depths: channels, max or numbers; "
            "scene or scenes",
            "correct it",
        ) from error
    location = FileLocation(files, selection, *_read_scenes(value, kind, path))
    if location != FileLocation(files) and kind not in SELECTABLE:
        raise InputError(
            f"scenes, channels or depths of {kind} in {path}",
            "a folder alone; scenes, channels and depths of " + " and ".join(SELECTABLE),
            f"save the {kind} as files of their own",
        )
    return location


def _read_scenes(
    value: dict[str, Any], kind: str, path: Path
) -> tuple[str | None, dict[str, tuple[str, ...]] | None]:
    """Read ``scene``, for all files, or ``scenes``, which lists those of each file."""
    scene, scenes = value.get("scene"), value.get("scenes")
    fits = scene is None or isinstance(scene, str | int)
    if scenes is not None:
        fits = scene is None and isinstance(scenes, dict)
        fits = fits and all(isinstance(names, list) and names for names in scenes.values())
    if not fits:
        raise InputError(
            f"{kind} with scene {scene} and scenes {scenes} in {path}",
            "scene: all, a name or number, or scenes: {file without suffix: [names]}",
            "correct it",
        )
    if scenes is None:
        return (None if scene is None else str(scene)), None
    return None, {str(file): tuple(map(str, names)) for file, names in scenes.items()}


def field_pattern(path: Path, name: str, kind: str = "images") -> Path:
    """Folder or pattern that gives a file of one kind its field's name."""
    if stem(path, KINDS[kind]) == name:
        return path.parent
    # Names are compared in one form; macOS writes accents in another.
    return path.with_name(normalize("NFC", path.name).replace(name, "{name}", 1))


def write_layout(root: Path, places: Mapping[str, FileLocation]) -> None:
    """Write the ``dataset.yaml`` of `root`.

    Parameters
    ----------
    root : Path
    places : mapping
        Kind to where its files are, with absolute paths.
    """
    layout: dict[str, Any] = {}
    for kind, place in places.items():
        files = _relative_to(root.resolve(), Path(place.files))
        more = place.selection.model_dump(mode="json", exclude_none=True)
        if place.scene is not None:
            more["scene"] = place.scene
        if place.scenes is not None:
            more["scenes"] = {file: list(names) for file, names in place.scenes.items()}
        layout[kind] = {"files": files, **more} if more else files
    with whole_file(root / "dataset.yaml") as partial:
        partial.write_text(yaml.safe_dump(layout, sort_keys=False, allow_unicode=True), "utf8")


def _relative_to(root: Path, place: Path) -> str:
    try:
        return os.path.relpath(place, root)
    except ValueError:
        # Another drive on Windows.
        return str(place)


def list_files(root: Path, place: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files of one kind by sample name. `place` is a folder or a pattern with ``{name}``."""
    if "{name}" in place:
        if "{name}" not in Path(place).name:
            raise InputError(
                f"the pattern {place}, whose folder varies",
                "{name} in the file name alone",
                "put the files of a kind into one folder",
            )
        folder = root / Path(place).parent
        parts = normalize("NFC", Path(place).name).split("{name}", 1)
        pattern = re.compile("(.+)".join(re.escape(part) for part in parts))
        names = {path: normalize("NFC", path.name) for path in sorted(folder.glob("*"))}
        found = [(pattern.fullmatch(name), path) for path, name in names.items()]
        return {match[1]: path for match, path in found if match and path.name[0] != "."}
    folder = root / place
    files: dict[str, Path] = {}
    children = sorted(folder.glob("*")) if folder.is_dir() else []
    fitting = [path for path in children if path.name.lower().endswith(suffixes)]
    visible = without_previews(path for path in fitting if path.name[0] != ".")
    for path in without_companions(visible):
        name = stem(path, suffixes)
        if name in files:
            raise InputError(
                f"both {files[name].name} and {path.name} in {folder}",
                "one file of each name",
                "move one of them away",
            )
        files[name] = path
    return files
