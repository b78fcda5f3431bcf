"""All metrics. A new one is a file of its own and a line here."""

from __future__ import annotations

from sparcell.evaluation.boundary import BOUNDARY
from sparcell.evaluation.counts import COUNT
from sparcell.evaluation.detection import DETECTION
from sparcell.evaluation.errors import ERRORS
from sparcell.evaluation.matching import MATCHING
from sparcell.evaluation.metric import METRICS
from sparcell.evaluation.overlap import OVERLAP
from sparcell.evaluation.pixel import PIXEL
from sparcell.evaluation.stain import STAIN
from sparcell.evaluation.tracks import TRACKS

__all__ = ["METRICS"]

for _metric in (
    PIXEL,
    OVERLAP,
    MATCHING,
    COUNT,
    ERRORS,
    BOUNDARY,
    DETECTION,
    STAIN,
    TRACKS,
):
    METRICS.register(_metric.name)(_metric)
