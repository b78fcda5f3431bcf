"""Cells over time: shifts of the stage, links, divisions, tracks."""

from sparcell.tracking.lineage import build_tracks
from sparcell.tracking.linking import Links, link_objects
from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.results import Tracks
from sparcell.tracking.run import track
from sparcell.tracking.shifts import PairShift, measure_shift
from sparcell.tracking.stage import StagePath, follow_stage

__all__ = [
    "Links",
    "MovieObjects",
    "PairShift",
    "StagePath",
    "Tracks",
    "build_tracks",
    "follow_stage",
    "link_objects",
    "measure_shift",
    "track",
]
