"""List the images of a prediction, and the names of their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sparcell.core.dataset import dataset_images
from sparcell.core.image_ref import ImageRef
from sparcell.io import expand_scenes, list_images, without_continued, without_thumbnails

Inputs = Mapping[str, Path | ImageRef] | Mapping[str, Path] | Sequence[Path | str] | Path | str


def find_inputs(inputs: Inputs, out: Path, scene: str | None = None) -> dict[ImageRef, str]:
    """List images, each with the name that its dataset gives it.

    Each scene of a file is an image, unless a dataset gives the file a name.

    Parameters
    ----------
    inputs : mapping from name to Path or ImageRef, sequence of Path or str, Path or str
        Images by the names of their results; or what `sparcell.io.list_images` takes, and dataset
        folders, which stand for their images.
    out : Path
        Folder of the results. If it is a dataset, its images have its names.
    scene : str, optional
        Only the scene of this name or number, of each file.

    Returns
    -------
    dict
        Image to name; an empty name where the file's own name counts.

    Raises
    ------
    InputError
        If one of the inputs gives no image, or a dataset cannot be read.
    """
    if isinstance(inputs, Mapping):
        return {ImageRef.of(image): name for name, image in inputs.items()}
    target = dataset_images(out)
    names = {(ref.path.resolve(), ref.scene): name for name, ref in target.items()}
    found: dict[ImageRef, str] = {}
    files: list[Path] = []
    for entry in [inputs] if isinstance(inputs, str | Path) else inputs:
        if images := dataset_images(Path(entry)):
            found.update({_of_scene(ref, scene): name for name, ref in images.items()})
        else:
            files += list_images([entry])
    # A shell lists the files of a pattern one by one.
    for path in without_continued(without_thumbnails(list(dict.fromkeys(files)))):
        whole = names.get((path.resolve(), None), "")
        for ref in [ImageRef(path, scene)] if scene or whole else expand_scenes(path):
            found.setdefault(ref, whole or names.get((path.resolve(), ref.scene), ""))
    return found


def _of_scene(ref: ImageRef, scene: str | None) -> ImageRef:
    return ref if scene is None else replace(ref, scene=scene)
