"""Which results of a batch are finished, and from which state of its input each was made.

While a batch runs, ``unfinished/results.jsonl`` gets a line for each image that is finished. A line
that a crash has cut counts for nothing, so the image is predicted again. When the batch ends, the
same goes into ``record.json``.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError
from sparcell.core.files import plain_os_errors, size_and_mtime, whole_file
from sparcell.io import open_image
from sparcell.prediction.batch import Item

logger = logging.getLogger(__name__)

KEY = "results"
"""Where they stand in ``record.json``."""


class Results:
    """The results of a batch by their names.

    Parameters
    ----------
    out : Path
        Folder of the batch.
    record : mapping
        What an earlier call wrote as ``record.json``; empty if there was none.
    """

    def __init__(self, out: Path, record: Mapping[str, Any]) -> None:
        self.path = out / "unfinished" / "results.jsonl"
        self.known: dict[str, dict[str, Any]] = {}
        for name, entry in _entries(record.get(KEY)).items():
            self.known[name] = entry
        with suppress(OSError):
            for line in self.path.read_text("utf8", errors="replace").splitlines():
                with suppress(ValueError):
                    self.known.update(_entries(json.loads(line)))

    def is_finished(self, item: Item) -> bool:
        """Whether an item's results are whole, and made from the image as it is now."""
        entry = self.known.get(item.name, {})
        if entry.get("bytes") is None or entry["bytes"] != size_and_mtime(item.result)[0]:
            return False
        if entry.get("input") != list(size_and_mtime(item.path)):
            return False
        if item.gives_stain:
            return True
        try:
            open_image(item.written)
        except InputError:
            return False
        return True

    def begin(self, items: Iterable[Item]) -> None:
        """Note the state of the inputs that are to be predicted, and drop what is outdated.

        Raises
        ------
        InputError
            If an earlier call gave the results of one of them another name.
        """
        left = list(items)
        renamed = {entry.get("image"): name for name, entry in self.known.items()}
        for item in left:
            if item.name not in self.known and (earlier := renamed.get(str(item.path))):
                raise InputError(
                    f"results of {item.path} named {earlier} in {item.out}, now {item.name}",
                    "the same names as before",
                    "predict images of equal names into another folder",
                )
        for item in left:
            state, entry = list(size_and_mtime(item.path)), self.known.get(item.name, {})
            if entry.get("input") != state and (entry or item.scratch.exists()):
                logger.info(f"{item.path}: changed since an earlier call, predicted anew")
                shutil.rmtree(item.scratch, ignore_errors=True)
            elif entry.get("bytes") is not None:
                logger.warning(
                    f"{item.path}: its results are not as they were written, predicted anew"
                )
            with plain_os_errors(item.result):
                item.result.unlink(missing_ok=True)
            self.known[item.name] = {"image": str(item.path), "input": state, "bytes": None}
        lines = [json.dumps({name: entry}) + "\n" for name, entry in self.known.items()]
        with whole_file(self.path) as partial:
            partial.write_text("".join(lines), "utf8")

    def finish(self, item: Item, skipped: Sequence[str] = ()) -> None:
        """Note that an item's results are written, but for the planes that were skipped."""
        entry = self.known[item.name]
        entry["skipped"] = list(skipped)
        entry["bytes"] = size_and_mtime(item.result)[0]
        with plain_os_errors(self.path), self.path.open("a", encoding="utf8") as stream:
            stream.write(json.dumps({item.name: entry}) + "\n")

    def __contains__(self, item: Item) -> bool:
        return self.known.get(item.name, {}).get("bytes") is not None

    def skipped(self, items: Iterable[Item]) -> dict[str, str]:
        """Images of finished items to the planes that were skipped, and why."""
        told = {str(item.path): self.known[item.name].get("skipped") for item in items}
        return {path: "; ".join(map(str, planes)) for path, planes in told.items() if planes}

    def close(self) -> None:
        """Remove the file; what it says stands in the record by now."""
        self.path.unlink(missing_ok=True)


def _entries(content: Any) -> dict[str, dict[str, Any]]:
    """Leave out what is no entry, such as of a damaged record."""
    items = content.items() if isinstance(content, dict) else ()
    return {name: entry for name, entry in items if isinstance(entry, dict)}
