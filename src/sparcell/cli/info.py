"""sparcell info: what is there, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sparcell.cli.parameters import echo
from sparcell.core.text import LONGEST, about, counted, one_line

if TYPE_CHECKING:
    from sparcell.core.dataset import Dataset
    from sparcell.training.next_steps import Advice, NextStep


def info(
    paths: list[Path] = typer.Argument(
        ..., help="Images, dataset folders, or folders that track wrote."
    ),
    axes: str = typer.Option(None, help="Axes of the images, such as TYX, if they do not say."),
) -> None:
    """Describe images, datasets and tracked movies."""
    from sparcell.core.dataset import Dataset
    from sparcell.core.errors import InputError
    from sparcell.io import expand_scenes, list_images, open_image, without_continued
    from sparcell.tracking.results import is_tracked
    from sparcell.training.next_steps import advise_on_folder

    unreadable = False
    for path in paths:
        if is_tracked(path):
            _show_tracks(path)
            continue
        if (path / "images").is_dir() or (path / "dataset.yaml").exists():
            _show_dataset(Dataset.open(path))
            continue
        advice = advise_on_folder(path)
        if advice and (path / "labels").is_dir():
            for line in _say(advice):
                echo(line)
            continue
        files = without_continued(list_images([path]))
        for ref in (ref for file in files for ref in expand_scenes(file)):
            try:
                image = open_image(ref, axes)
            except InputError as error:
                echo(about(ref, error))
                unreadable = True
                continue
            size = f"{image.pixel_size:g} um/px" if image.pixel_size else "pixel size unknown"
            shape = " x ".join(f"{image.data.shape[i]} {a}" for i, a in enumerate(image.axes))
            listed = one_line(", ".join(image.channels))
            names = f", channels {listed}" if image.size("C") > 1 else ""
            echo(one_line(f"{ref}: {shape}, {image.data.dtype}, {size}{names}", 2 * LONGEST))
        for line in _say(advice) if advice else ():
            echo(line)
    if unreadable:
        raise typer.Exit(2)


def _show_tracks(folder: Path) -> None:
    """Print what `sparcell track` found."""
    from sparcell.tracking.report.headline import headline
    from sparcell.tracking.results import PAGE, read_tracked

    found = read_tracked(folder)
    lines = headline(found)
    echo(f"{folder}: {lines[0]}")
    for line in lines[1:]:
        echo(f"  {line}")
    for movie in found.movies.to_dict("records"):
        size = f"{movie['height_px']:g} x {movie['width_px']:g} px"
        echo(f"  {movie['movie']}: {counted(int(movie['frames']), 'frame')} of {size}")
    if (folder / PAGE).exists():
        echo(f"  page: {folder / PAGE}")


def _show_dataset(dataset: Dataset) -> None:
    from sparcell.core.channel_selection import WHOLE
    from sparcell.core.dataset_layout import KINDS
    from sparcell.core.field_tables import SPLITS

    echo(f"{dataset.root}: {counted(len(dataset), 'image')}")
    for kind in KINDS:
        samples = dataset.having(kind).samples
        if samples:
            part = samples[0].files[kind].selection
            echo(f"  {kind}: {len(samples)}" + (f" ({part})" if part != WHOLE else ""))
    parts = {part: len(dataset.split(part)) for part in (*SPLITS, "")}
    echo("  split: " + ", ".join(f"{n} {part or 'unmarked'}" for part, n in parts.items() if n))
    refused = [s.name for s in dataset.samples if s.refused]
    if refused:
        echo(f"  labels refused by the quality gate: {', '.join(refused)}")
    for line in _uses(dataset):
        echo(f"  {line}")


def _uses(dataset: Dataset) -> Iterator[str]:
    """Say what the annotations that are there can be used for, and what is wrong with them."""
    from collections import Counter

    from sparcell.core.annotation import INSTANCE_ANNOTATIONS, available_annotations
    from sparcell.core.dataset_layout import KINDS
    from sparcell.training.next_steps import advise
    from sparcell.training.training_options import find_options, find_unused

    mixes = Counter(available_annotations(sample) for sample in dataset.samples)
    for kinds, count in mixes.most_common():
        yield f"{count} with {' + '.join(sorted(kinds)) or 'no annotation'}"
    offers = find_options(dataset)
    if masked := sum(
        n for kinds, n in mixes.items() if "mask" in kinds and not kinds & INSTANCE_ANNOTATIONS
    ):
        images = counted(masked, "image")
        yield f"nothing is learned from {images} with a mask alone: set a point in each object"
    if not offers.training:
        given = any(kinds & INSTANCE_ANNOTATIONS for kinds in mixes)
        remedy = "make better ones" if given else "add labels/, points/ or stain/"
        yield f"nothing to train from yet: {remedy}, or sparcell import"
    for kind, names in find_unused(dataset).items():
        yield (
            f"{kind}: {counted(len(names), 'file')} not used, such as {names[0]}; expected is "
            f"NAME{KINDS[kind][-1]} of an image NAME"
        )
    for name, fault in offers.faults:
        yield f"{name}: {fault}"
    yield from _say(advise(dataset, offers))


def _say(advice: Advice) -> Iterator[str]:
    yield from advice.notes
    yield "Next:"
    for number, step in enumerate(advice.steps, 1):
        yield f"  {number}. {_describe(step, number == 1)}"


def _describe(step: NextStep, recommended: bool) -> str:
    if step.blocked:
        return f"{step.what} (not yet: {step.blocked}): {step.command}"
    time = f"about {max(1, round(step.minutes))} min"
    return f"{step.what} ({'recommended, ' * recommended}{time}): {step.command}"
