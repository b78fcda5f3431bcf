"""Labelers that end badly, for worker processes to import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from sparcell.core.dataset import Sample
from sparcell.core.files import whole_file
from sparcell.labeling.from_stain import AutoLabeler
from sparcell.labeling.labeler import FieldResult


class KilledLabeler(AutoLabeler):
    """Is killed while it writes the labels of the field ``b``."""

    def label_field(self, sample: Sample, target: Path) -> Iterable[FieldResult]:
        """Label a field, or be killed."""
        if sample.name != "b":
            return super().label_field(sample, target)
        with whole_file(target / "labels" / "b.tif") as partial:
            partial.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class EndlessLabeler(AutoLabeler):
    """Never ends to write labels."""

    def label_field(self, sample: Sample, target: Path) -> Iterable[FieldResult]:
        """Write labels for minutes."""
        with whole_file(target / "labels" / f"{sample.name}.tif") as partial:
            partial.touch()
            time.sleep(600)
        raise AssertionError
