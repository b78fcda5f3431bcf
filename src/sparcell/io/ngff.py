"""OME-Zarr 0.1 to 0.4 (Zarr 2) and 0.5 (Zarr 3), and Zarr arrays, read lazily.

Specification: https://ngff.openmicroscopy.org/0.1/ to https://ngff.openmicroscopy.org/0.5/. Until
0.2 every image is TCZYX; 0.3 names the axes; 0.4 adds their types, units and scales.
"""

from __future__ import annotations

import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from sparcell.core.axes import LETTERS, check_axes
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.image_files import url_of
from sparcell.core.image_ref import ImageRef
from sparcell.io.chunks import ChunkedPixels, guard_chunks
from sparcell.io.lengths import one_pixel_size, pixel_edges
from sparcell.io.scenes import ONLY, Scene, find_scene
from sparcell.io.unnamed_axes import ask_for_axes

KINDS_OF_AXIS = {"channel": "C", "time": "T"}
WITHOUT_AXES = ("0.1", "0.2", "None")
VERSIONS = "0.1 to 0.5"
ZIPPED = (".zarr.zip", ".ozx")


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr group or array."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray", ".zattrs"))


def is_zipped_zarr(path: Path) -> bool:
    """Whether a file is called like a zip archive of an OME-Zarr."""
    return path.name.lower().endswith(ZIPPED)


def is_stored(path: Path) -> bool:
    """Whether a path is a zip archive of an OME-Zarr, or the address of one."""
    if url_of(path) is not None or is_zipped_zarr(path):
        return True
    return path.suffix.lower() == ".zip" and path.is_file() and _holds_zarr(path)


def _holds_zarr(path: Path) -> bool:
    with suppress(zipfile.BadZipFile, OSError, ValueError), zipfile.ZipFile(path) as archive:
        return any(name.endswith((".zattrs", "zarr.json")) for name in archive.namelist())
    return False


def open_file(path: Path, axes: str | None = None, scene: str | None = None) -> Image:
    """Open the full resolution of an OME-Zarr image, or a Zarr array, without reading pixels.

    Parameters
    ----------
    path : Path
        Folder of the image or array, a zip archive with it, or its address. A store as
        bioformats2raw writes it, with one image ``0`` inside, is opened at that image.
    axes : str, optional
        One letter per dimension, instead of what the metadata says.
    scene : str, optional
        Path of an image inside the folder, as `scenes_of` gives it: ``B/3/0`` of a plate, ``1`` of
        a store with several images.

    Raises
    ------
    InputError
        If it is no OME-Zarr image, is a plate or several images and no scene is given, or is
        damaged; or if it is an array that names no axes, and none are given.
    """
    return open_levels(path, axes, scene, most=1)[0]


def open_levels(
    path: Path,
    axes: str | None = None,
    scene: str | None = None,
    labels: bool = False,
    most: int | None = None,
) -> tuple[Image, ...]:
    """Open the levels of the pyramid of an OME-Zarr image, the full resolution first.

    Parameters
    ----------
    path, axes, scene
        As in `open_file`.
    labels : bool
        Pixels are ids, so levels count only if the metadata call them ``nearest``: others may mix
        ids.
    most : int, optional
        Number of levels to open; all without it.

    Returns
    -------
    tuple of Image
        At least one. Levels that cannot be read are left out.

    Raises
    ------
    InputError
        As `open_file`.
    """
    if scene is not None and not is_stored(path):
        names = _scene_names(path)
        number = find_scene(scene, names or (ONLY,), path)
        if names and number is not None:
            return open_levels(path / names[number], axes, None, labels, most)
    folder, node, ome = _find_image(path, scene)
    if ome is None:
        return (_open_array(node, folder, axes, path),)
    source = str(ImageRef(path, scene if is_stored(path) else None))
    levels = [_open_level(0, folder, node, ome, axes, path, source)]
    multiscales = ome["multiscales"][0]
    if not labels or "nearest" in str(multiscales.get("type")).lower():
        for number in range(1, len(multiscales["datasets"][:most])):
            with suppress(InputError):
                levels.append(_open_level(number, folder, node, ome, axes, path, source))
    return tuple(levels)


def _open_level(
    number: int,
    folder: Path | None,
    node: Any,
    ome: dict[str, Any],
    axes: str | None,
    path: Path,
    source: str,
) -> Image:
    """Open one level of a group that is an image."""
    try:
        multiscales = ome["multiscales"][0]
        level = multiscales["datasets"][number]
        if [one["path"] for one in multiscales["datasets"]].count(level["path"]) > 1:
            raise ValueError(f"level {level['path']} twice in multiscales")
        array = guard_chunks(
            node[level["path"]], folder and folder / level["path"], listed=url_of(path) is None
        )
        letters = _letters(multiscales, axes, array.shape, path)
        y, x = _pixel_sizes(multiscales, level, letters, path)
        channels = _channels(ome)
    except InputError:
        raise
    except Exception as error:
        raise _no_image(path, error) from error
    _check_numbers(array, path)
    return Image(array, letters, one_pixel_size(y, x, str(path)), channels, source)


def scenes_of(path: Path) -> tuple[Scene, ...]:
    """List the images of a folder: fields of a plate, images of a store, or the only one.

    Fields that the plate names but that are missing or damaged have no axes.

    Raises
    ------
    InputError
        If it is no OME-Zarr, or its metadata are damaged.
    """
    names = _scene_names(path)
    if not names:
        return (_scene(ONLY, path),)
    scenes = []
    for name in names:
        try:
            scenes.append(_scene(name, path if is_stored(path) else path / name))
        except InputError:
            scenes.append(Scene(name, "", ()))
    return tuple(scenes)


def main_names(path: Path) -> tuple[str, ...]:
    """Names of the images of a folder, without opening them."""
    return _scene_names(path) or (ONLY,)


def _scene(name: str, path: Path) -> Scene:
    image = open_file(path, scene=name if is_stored(path) else None)
    return Scene(name, image.axes, tuple(image.data.shape))


def _scene_names(path: Path) -> tuple[str, ...]:
    """Paths of the images inside a plate or a store of several; none of an image."""
    if is_stored(path):
        from sparcell.io.zarr_stores import stored_names

        return stored_names(path)
    from sparcell.io.plate import plate_fields

    if fields := plate_fields(path):
        return tuple(str(field.path.relative_to(path).as_posix()) for field in fields)
    if (path / "0").is_dir() and is_bioformats2raw(path):
        return tuple(image.name for image in _numbered_images(path))
    return ()


def is_bioformats2raw(path: Path) -> bool:
    """Whether a folder is a store of images 0, 1, ... as bioformats2raw writes it."""
    import zarr

    try:
        return "bioformats2raw.layout" in ome_metadata(zarr.open_group(path, mode="r"))
    except Exception:
        # Whatever it is, opening it says what is wrong.
        return False


def _numbered_images(path: Path) -> list[Path]:
    images = [p for p in path.iterdir() if p.is_dir() and p.name.isdigit() and is_zarr(p)]
    return sorted(images, key=lambda image: int(image.name))


def _find_image(path: Path, scene: str | None) -> tuple[Path | None, Any, dict[str, Any] | None]:
    """Find the folder (None in a store), the node, and OME's metadata (None of an array)."""
    import zarr

    if is_stored(path):
        from sparcell.io.zarr_stores import find_stored

        return None, *find_stored(path, scene)
    try:
        node = zarr.open(path, mode="r")
    except Exception as error:
        raise _no_image(path, error) from error
    if isinstance(node, zarr.Array):
        return path, node, None
    return find_multiscales(path)


def find_multiscales(path: Path) -> tuple[Path, Any, dict[str, Any]]:
    """Find the group that is the image: `path`, or the one image inside it.

    Returns
    -------
    path : Path
        Folder of the group.
    group : zarr.Group
    ome : dict
        What OME-Zarr says of it, with ``multiscales``.

    Raises
    ------
    InputError
        If there is none, or there are several.
    """
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
        ome = ome_metadata(group)
        if "multiscales" not in ome:
            return find_multiscales(_only_image(path, ome))
    except InputError:
        raise
    except Exception as error:
        raise _no_image(path, error) from error
    return path, group, ome


def ome_metadata(group: Any) -> dict[str, Any]:
    """OME's part of the attributes of a Zarr group."""
    attributes = group.attrs.asdict()
    ome: dict[str, Any] = attributes.get("ome", attributes)
    return ome


def _no_image(path: Path, error: Exception) -> InputError:
    # Whatever is missing or of another type than the specification says.
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, KeyError):
        reason = f"its metadata lack {error}"
    elif isinstance(error, TypeError | AttributeError | IndexError):
        reason = "its metadata have another form"
    return InputError(
        f"{path} that is no OME-Zarr {VERSIONS} image ({reason})",
        "a folder with multiscales metadata",
        "export the image again",
    )


def _check_numbers(array: ChunkedPixels, path: Path) -> None:
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{path} of dtype {array.dtype}", "real numbers", "save it as integers or floats"
        )


def _only_image(path: Path, ome: dict[str, Any]) -> Path:
    """Find the image below a group that is none itself."""
    if "plate" in ome:
        wells = [f"{path}/{well['path']}/0" for well in ome["plate"]["wells"]]
        raise InputError(
            f"a plate of {len(wells)} wells in {path}",
            "one image",
            f"name its fields, for example {(wells or [str(path)])[0]}",
        )
    images = _numbered_images(path)
    if "bioformats2raw.layout" in ome and len(images) == 1:
        return images[0]
    if images:
        raise InputError(
            f"{len(images)} images in {path}", "one image", f"name one, for example {images[0]}"
        )
    raise InputError(
        f"no multiscales metadata in {path}",
        f"an OME-Zarr {VERSIONS} image",
        "export it again, or name an array in it and give `axes`",
    )


def _open_array(array: Any, folder: Path | None, axes: str | None, path: Path) -> Image:
    """Open an array alone. Its pixel size is unknown, and its axes are given by the user."""
    pixels = guard_chunks(array, folder, listed=url_of(path) is None)
    _check_numbers(pixels, path)
    if axes is None:
        named = getattr(array.metadata, "dimension_names", None) or ()
        letters = "".join(str(name)[:1].upper() for name in named)
        fits = {"Y", "X"} <= set(letters) and len(set(letters)) == len(array.shape)
        raise ask_for_axes(
            array.shape, letters if fits else "?" * (len(array.shape) - 2) + "YX", path
        )
    letters = check_axes(axes, len(array.shape), f"{path} of shape {array.shape}")
    return Image(pixels, letters, source=str(path))


def _letters(
    multiscales: dict[str, Any], given: str | None, shape: tuple[int, ...], path: Path
) -> str:
    if given is not None:
        return check_axes(given, len(shape), f"{path} of shape {shape}")
    version = str(multiscales.get("version"))
    if "axes" not in multiscales and version in WITHOUT_AXES and len(shape) == len(LETTERS):
        return LETTERS
    if "axes" not in multiscales:
        raise InputError(
            f"OME-Zarr {version} without axes in {path} of shape {shape}",
            f"an OME-Zarr {VERSIONS} image",
            f"give `axes` with {len(shape)} of the letters {LETTERS}",
        )
    letters = ""
    for axis in _axes(multiscales):
        name = str(axis["name"]).upper()
        letters += name if name in LETTERS else KINDS_OF_AXIS.get(str(axis.get("type")), name[:1])
    return check_axes(letters, len(shape), f"{path} of shape {shape}")


def _axes(multiscales: dict[str, Any]) -> list[dict[str, Any]]:
    """Axes as 0.4 describes them; until 0.3 they are words, or none."""
    axes = multiscales.get("axes", ())
    return [{"name": axis} if isinstance(axis, str) else axis for axis in axes]


def _pixel_sizes(
    multiscales: dict[str, Any], level: dict[str, Any], letters: str, path: Path
) -> tuple[float | None, float | None]:
    """Height and width of a pixel in um; None where no scale or no unit is given."""
    axes, scale = _axes(multiscales), _scale(multiscales, level, len(letters))
    if scale is None or len(axes) != len(letters):
        return None, None
    places = [letters.index(letter) for letter in "YX"]
    y_unit, x_unit = (str(axes[place].get("unit", "")) for place in places)
    return pixel_edges([scale[place] for place in places], (y_unit, x_unit), str(path))


def _scale(multiscales: dict[str, Any], level: dict[str, Any], ndim: int) -> list[float] | None:
    """Size of a pixel of one level along each axis, in the axis' unit; None where none is given."""
    scale = None
    for holder in (level, multiscales):
        for transform in holder.get("coordinateTransformations", ()):
            if transform["type"] == "scale":
                before = scale or [1.0] * ndim
                scale = [a * float(b) for a, b in zip(before, transform["scale"], strict=True)]
    return scale


def _channels(ome: dict[str, Any]) -> tuple[str, ...]:
    """Names of the channels; none where one of them has none."""
    names = [str(c.get("label", "")) for c in ome.get("omero", {}).get("channels", ())]
    return tuple(names) if all(names) else ()
