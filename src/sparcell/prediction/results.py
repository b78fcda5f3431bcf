"""The results of a prediction that are finished, and the state of the image of each.

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
from typing import TYPE_CHECKING, Any

from sparcell.core.errors import InputError
from sparcell.core.files import plain_os_errors, size_and_mtime, whole_file
from sparcell.measurement.predicted_tables import MEASURED, describe_measured
from sparcell.models.domain import DomainFit
from sparcell.prediction.items import Item

if TYPE_CHECKING:
    from sparcell.prediction.tasks import PredictionTask

logger = logging.getLogger(__name__)

KEY = "results"
"""Their key in ``record.json``."""


class Results:
    """The results of a batch by their names.

    Parameters
    ----------
    out : Path
        Folder of the batch.
    record : mapping
        What an earlier call wrote as ``record.json``; empty if there was none.
    task : PredictionTask
        What is predicted.

    Attributes
    ----------
    entries : dict
        Name of an item to ``image``, ``input`` (bytes and time of change of its file), ``bytes``
        of its last result, None until it is written, ``skipped`` planes, whether it is ``empty``
        (nothing stands out from the noise), and the ``fit`` of image and model if it is known.
    """

    def __init__(self, out: Path, record: Mapping[str, Any], task: PredictionTask) -> None:
        self.path, self.task = out / "unfinished" / "results.jsonl", task
        self.entries: dict[str, dict[str, Any]] = _valid_entries(record.get(KEY))
        with suppress(OSError):
            for line in self.path.read_text("utf8", errors="replace").splitlines():
                with suppress(ValueError):
                    self.entries.update(_valid_entries(json.loads(line)))

    def is_finished(self, item: Item) -> bool:
        """Whether an item's results are whole, and made from the image as it is now."""
        entry = self.entries.get(item.name, {})
        size = size_and_mtime(self.task.last_file(item))[0]
        if entry.get("bytes") is None or entry["bytes"] != size:
            return False
        if entry.get("input") != list(size_and_mtime(item.path)):
            return False
        return self.task.is_whole(item)

    def begin(self, items: Iterable[Item]) -> None:
        """Note the state of the inputs that are to be predicted, and drop what is outdated.

        Raises
        ------
        InputError
            If an earlier call gave the results of one of them another name.
        """
        remaining = list(items)
        renamed = {entry.get("image"): name for name, entry in self.entries.items()}
        for item in remaining:
            if item.name not in self.entries and (earlier := renamed.get(str(item.image))):
                raise InputError(
                    f"results of {item.image} named {earlier} in {item.out}, now {item.name}",
                    "the same names as before",
                    "predict images of equal names into another folder",
                )
        for item in remaining:
            state, entry = list(size_and_mtime(item.path)), self.entries.get(item.name, {})
            if entry.get("input") != state and (entry or item.unfinished.exists()):
                logger.info(f"{item.image}: changed since an earlier run, predicted anew")
                shutil.rmtree(item.unfinished, ignore_errors=True)
            elif entry.get("bytes") is not None:
                logger.warning(f"{item.image}: its results were changed or damaged, predicted anew")
            result = self.task.last_file(item)
            with plain_os_errors(result):
                result.unlink(missing_ok=True)
            self.entries[item.name] = {"image": str(item.image), "input": state, "bytes": None}
        lines = [json.dumps({name: entry}) + "\n" for name, entry in self.entries.items()]
        with whole_file(self.path) as partial:
            partial.write_text("".join(lines), "utf8")

    def finish(
        self,
        item: Item,
        skipped: Sequence[str] = (),
        empty: bool = False,
        fit: DomainFit | None = None,
    ) -> None:
        """Note that an item's results are written, but for the planes that were skipped."""
        entry = self.entries[item.name]
        entry |= {"skipped": list(skipped), "empty": empty, "fit": fit and fit._asdict()}
        entry["bytes"] = size_and_mtime(self.task.last_file(item))[0]
        if item.objects.exists():
            entry[MEASURED] = describe_measured(item.written_labels, item.objects)
        with plain_os_errors(self.path), self.path.open("a", encoding="utf8") as stream:
            stream.write(json.dumps({item.name: entry}) + "\n")

    def __contains__(self, item: Item) -> bool:
        return self.entries.get(item.name, {}).get("bytes") is not None

    def skipped(self, items: Iterable[Item]) -> dict[str, str]:
        """Images of finished items to the planes that were skipped, and why."""
        skipped = {str(item.image): self.entries[item.name].get("skipped") for item in items}
        return {path: "; ".join(map(str, planes)) for path, planes in skipped.items() if planes}

    def empty(self, items: Iterable[Item]) -> list[str]:
        """Names of finished items in which nothing stands out from the noise."""
        return [item.name for item in items if self.entries[item.name].get("empty")]

    def fits(self, items: Iterable[Item]) -> dict[str, DomainFit]:
        """Names of finished items to how well they fit the model, where that is known."""
        known = {item.name: self.entries[item.name].get("fit") for item in items}
        return {
            name: DomainFit(**fit)
            for name, fit in known.items()
            if isinstance(fit, dict) and set(fit) == set(DomainFit._fields)
        }

    def close(self) -> None:
        """Remove the file; the record has its content by now."""
        self.path.unlink(missing_ok=True)


def _valid_entries(content: Any) -> dict[str, dict[str, Any]]:
    """Leave out what is no entry, as in a damaged record."""
    items = content.items() if isinstance(content, dict) else ()
    return {
        name: entry
        for name, entry in items
        if isinstance(entry, dict) and isinstance(entry.get("skipped", []), list)
    }
