"""Pixel size and channel names from the metadata of a TIFF, of any program."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from sparcell.io.lengths import LARGEST_UM, SMALLEST_UM, pixel_edges, to_um


class TiffFacts(NamedTuple):
    """Pixel size and channel names of a TIFF.

    Attributes
    ----------
    y, x : float or None
        Edges of a pixel in um.
    channels : tuple of str
        Empty where they are not named.
    """

    y: float | None = None
    x: float | None = None
    channels: tuple[str, ...] = ()


def read_facts(tif: Any, series: Any, path: Path) -> TiffFacts:
    """Read pixel size and channel names, as far as the file gives them.

    Sources, the first that gives a size: OME-XML, ImageJ, tifffile's own description, Zeiss LSM,
    MetaMorph STK, Aperio SVS, the resolution tags, and Micro-Manager.

    Parameters
    ----------
    tif : tifffile.TiffFile
    series : tifffile.TiffPageSeries
        The image.
    path : Path
        For messages.
    """
    facts = _by_program(tif, series, path)
    if facts.y is None and facts.x is None:
        unit = {2: "inch", 3: "cm", 4: "mm", 5: "um"}.get(int(series.keyframe.resolutionunit), "")
        y, x = (to_um(length, unit) for length in _per_resolution(series.keyframe))
        if all(length and SMALLEST_UM <= length <= LARGEST_UM for length in (y, x)):
            facts = facts._replace(y=y, x=x)
    return facts if facts.channels or not tif.is_micromanager else _micro_manager(facts, tif)


def _micro_manager(facts: TiffFacts, tif: Any) -> TiffFacts:
    """Add channel names, and the pixel size where no other metadata give it."""
    summary = (tif.micromanager_metadata or {}).get("Summary", {})
    names = tuple(map(str, summary.get("ChNames") or ()))
    size = to_um(_number(summary.get("PixelSize_um")), "um")
    known = facts.y is not None or facts.x is not None
    return TiffFacts(facts.y if known else size, facts.x if known else size, names)


def _by_program(tif: Any, series: Any, path: Path) -> TiffFacts:
    if tif.is_ome and tif.ome_metadata:
        return _ome(tif.ome_metadata, tif.series.index(series), path)
    if tif.is_imagej and tif.imagej_metadata:
        unit = str(tif.imagej_metadata.get("unit", ""))
        # ImageJ writes the unit of Y only if it is another one.
        units = str(tif.imagej_metadata.get("yunit", unit)), unit
        return TiffFacts(*pixel_edges(_per_resolution(series.keyframe), units, str(path)))
    if tif.is_shaped and tif.shaped_metadata:
        return _shaped(tif.shaped_metadata[0], path)
    if tif.is_lsm:
        return _lsm(tif.lsm_metadata or {}, path)
    if tif.is_stk:
        stk = tif.stk_metadata or {}
        sizes = (_number(stk.get(f"{a}Calibration")) for a in "YX")
        unit = str(stk.get("CalibrationUnits", ""))
        return TiffFacts(*pixel_edges(sizes, (unit, unit), str(path)))
    if tif.is_svs:
        size = _svs_size(series.keyframe.description)
        return TiffFacts(*pixel_edges((size, size), ("um", "um"), str(path)))
    return TiffFacts()


def _ome(text: str, number: int, path: Path) -> TiffFacts:
    """Facts of one image of OME-XML, counted from 0."""
    try:
        images = ElementTree.fromstring(text).findall(".//{*}Image/{*}Pixels")
    except ElementTree.ParseError:
        images = []
    if not images:
        return TiffFacts()
    pixels = images[number if number < len(images) else 0]
    names = [channel.get("Name", "") for channel in pixels.iterfind("{*}Channel")]
    return TiffFacts(*_physical_sizes(pixels, path), tuple(names) if all(names) else ())


def _shaped(description: dict[str, Any], path: Path) -> TiffFacts:
    channel = description.get("Channel")
    names = channel.get("Name", ()) if isinstance(channel, dict) else ()
    named = tuple(map(str, names)) if isinstance(names, list) else ()
    return TiffFacts(*_physical_sizes(description, path), named)


def _physical_sizes(holder: Any, path: Path) -> tuple[float | None, float | None]:
    """Read OME's attributes, in um where they name no unit."""
    units = [str(holder.get(f"PhysicalSize{a}Unit", "um")) for a in "YX"]
    sizes = [_number(holder.get(f"PhysicalSize{a}")) for a in "YX"]
    return pixel_edges(sizes, (units[0], units[1]), str(path))


def _lsm(metadata: dict[str, Any], path: Path) -> TiffFacts:
    """Zeiss LSM gives lengths in m, and colours with the names of channels."""
    sizes = [_number(metadata.get(f"VoxelSize{a}")) for a in "YX"]
    colours = metadata.get("ChannelColors") or {}
    names = tuple(str(name).strip() for name in colours.get("ColorNames") or ())
    return TiffFacts(*pixel_edges(sizes, ("m", "m"), str(path)), names if all(names) else ())


def _svs_size(description: str) -> float | None:
    """Micrometers per pixel (MPP) in the description of an Aperio slide."""
    parts = (part.partition("=") for part in description.split("|"))
    return next((_number(value) for key, _, value in parts if key.strip() == "MPP"), None)


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _per_resolution(page: Any) -> tuple[float | None, float | None]:
    """Pixel height and width in the unit of the resolution tags."""
    lengths: list[float | None] = []
    for name in ("YResolution", "XResolution"):
        count, unit = page.tags.valueof(name, (0, 1))
        lengths.append(unit / count if count else None)
    return lengths[0], lengths[1]
