"""A dataset of the predicted images and their results, to train on or to label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.dataset import field_pattern, write_layout
from sparcell.core.image_files import IMAGE_SUFFIXES
from sparcell.models.model import Model
from sparcell.prediction.items import Item
from sparcell.prediction.prepared_image import choose_channels


def describe_dataset(items: Sequence[Item], out: Path, model: Model) -> None:
    """Write into ``dataset.yaml`` where the images of predictions are, if in one folder.

    An existing file is left alone: it already says where the images of this dataset are.
    """
    if (out / "dataset.yaml").exists():
        return
    paths = [item.path.resolve() for item in items]
    patterns = {field_pattern(path, item.name) for item, path in zip(items, paths, strict=True)}
    # A dataset names no axes and no scenes, and its labels are beside the images, not in them.
    usable = all(path.name.lower().endswith(IMAGE_SUFFIXES) for path in paths) and not any(
        item.axes or item.image.scene or item.settings.into_image for item in items
    )
    if usable and len(patterns) == 1 and all(item.name in item.path.name for item in items):
        selections = {_selection(item, model) for item in items}
        same = {"images": selections.pop()} if len(selections) == 1 else {}
        write_layout(out, {"images": patterns.pop()}, same)


def _selection(item: Item, model: Model) -> ChannelSelection:
    """Channels and depths that the model saw; files are opened only where these can differ."""
    if model.spec.selection == WHOLE and item.settings.channels is None:
        return WHOLE
    return choose_channels(item.open(), model, item.settings.channels)
