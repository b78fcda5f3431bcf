"""sparcell info: what is there, and what could be trained from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sparcell.core.dataset import Dataset


def info(
    paths: list[Path] = typer.Argument(..., help="Images or dataset folders."),
    axes: str = typer.Option(None, help="Axes of the images, such as TYX, if they do not say."),
) -> None:
    """Show axes, channels, sizes and annotations."""
    from sparcell.core.dataset import Dataset
    from sparcell.core.errors import InputError
    from sparcell.io import list_images, open_image

    for path in paths:
        if (path / "images").is_dir() or (path / "dataset.yaml").exists():
            _show_dataset(Dataset.open(path))
            continue
        for file in list_images([path]):
            try:
                image = open_image(file, axes)
            except InputError as error:
                typer.echo(f"{file}: {error}")
                continue
            size = f"{image.pixel_size:g} um/px" if image.pixel_size else "pixel size unknown"
            shape = " x ".join(f"{image.data.shape[i]} {a}" for i, a in enumerate(image.axes))
            names = f", channels {', '.join(image.channels)}" if image.size("C") > 1 else ""
            typer.echo(f"{file}: {shape}, {image.data.dtype}, {size}{names}")


def _show_dataset(dataset: Dataset) -> None:
    from sparcell.core.dataset import KINDS, SPLITS

    typer.echo(f"{dataset.root}: {len(dataset)} fields")
    for kind in KINDS:
        held = dataset.having(kind).samples
        if held:
            cut = held[0].excerpts.get(kind)
            typer.echo(f"  {kind}: {len(held)}" + (f" ({cut})" if cut else ""))
    parts = {part: len(dataset.split(part)) for part in (*SPLITS, "")}
    typer.echo(
        "  split: " + ", ".join(f"{n} {part or 'unmarked'}" for part, n in parts.items() if n)
    )
    refused = [s.name for s in dataset.samples if s.refused]
    if refused:
        typer.echo(f"  labels refused by the quality gate: {', '.join(refused)}")
    for line in (*_uses(dataset), *_lacking(dataset), *_bad_points(dataset)):
        typer.echo(f"  {line}")


def _lacking(dataset: Dataset) -> Iterator[str]:
    """Say which files lack the channels or depths that ``dataset.yaml`` names."""
    from sparcell.core.errors import InputError
    from sparcell.io import open_sample

    for sample in dataset.samples:
        for kind in sample.excerpts:
            try:
                open_sample(sample, kind)
            except InputError as error:
                yield f"{sample.name}, {kind}: {error}"


def _bad_points(dataset: Dataset) -> Iterator[str]:
    """Say which tables of points do not fit their images."""
    from sparcell.core.errors import InputError
    from sparcell.io import open_sample
    from sparcell.io.points import read_points

    for sample in dataset.having("points").samples:
        try:
            image = open_sample(sample)
            for plane in image.planes():
                read_points(sample.files["points"], image, plane)
        except InputError as error:
            yield f"{sample.name}: {error}"


def _uses(dataset: Dataset) -> list[str]:
    """Say what the annotations that are there can be used for."""
    from collections import Counter

    from sparcell.core.annotation import TEACHING, given_kinds

    root = dataset.root
    mixes = Counter(given_kinds(sample) for sample in dataset.samples)
    lines = [
        f"{count} with {' + '.join(sorted(kinds)) or 'no annotation'}"
        for kinds, count in mixes.most_common()
    ]
    teaching = sum(count for kinds, count in mixes.items() if kinds & TEACHING)
    if outlined := sum(count for kinds, count in mixes.items() if "outlines" in kinds):
        lines.append(f"outlines, {outlined} fields: sparcell train nuclei-light --data {root}")
    if teaching > outlined:
        lines.append(f"any of these, {teaching} fields: sparcell train points-light --data {root}")
    if stained := len(dataset.having("stain")):
        lines.append(f"labels from the stain, {stained} fields: sparcell label {root}")
    if pointed := len(dataset.having("points")):
        lines.append(
            f"outlines from points, {pointed} fields: sparcell label {root} --from points -o NEW"
        )
    if masked := sum(n for kinds, n in mixes.items() if "mask" in kinds and not kinds & TEACHING):
        lines.append(f"{masked} fields with a mask alone teach nothing: set a point in each object")
    if not teaching:
        lines.append(
            "nothing to train from yet: add labels/, points/ or stain/, or sparcell import"
        )
    return lines
