"""A dataset of the predicted images and their results, to train on or to label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.dataset_layout import FileLocation, field_pattern, write_layout
from sparcell.core.image_files import IMAGE_SUFFIXES, url_of
from sparcell.models.model import Model
from sparcell.prediction.items import Item
from sparcell.prediction.prepared_image import choose_channels


def describe_dataset(items: Sequence[Item], out: Path, model: Model) -> bool:
    """Write into ``dataset.yaml`` where the images of predictions are, if in one folder.

    An existing file is left alone: it already says where the images of this dataset are.

    Returns
    -------
    bool
        Whether it was written.
    """
    if (out / "dataset.yaml").exists():
        return False
    # A dataset names no axes, and its labels are beside the images, not in them.
    if any(
        item.axes
        or item.settings.into_image
        or url_of(item.path)
        or not item.path.name.lower().endswith(IMAGE_SUFFIXES)
        for item in items
    ):
        return False
    scenes: dict[str, tuple[str, ...]] = {}
    for item in items:
        if item.image.scene is not None:
            name = item.image.stem
            scenes[name] = (*scenes.get(name, ()), item.image.scene)
    patterns = {
        field_pattern(item.path.resolve(), item.image.stem if item.image.scene else item.name)
        for item in items
    }
    named = all(
        item.name == item.image.name if item.image.scene else item.name in item.path.name
        for item in items
    )
    if named and len(patterns) == 1:
        selections = {_selection(item, model) for item in items}
        selection = selections.pop() if len(selections) == 1 else WHOLE
        files = str(patterns.pop())
        write_layout(out, {"images": FileLocation(files, selection, scenes=scenes or None)})
        return True
    return False


def _selection(item: Item, model: Model) -> ChannelSelection:
    """Channels and depths that the model saw; files are opened only where these can differ."""
    settings = item.settings
    if model.spec.selection == WHOLE and settings.channels is None and settings.project is None:
        return WHOLE
    return choose_channels(item.open(), model, item.settings)
