"""Scores of predicted label images: pixels, overlap, matching, outlines, errors, counts."""

from sparcell.evaluation._evaluate import evaluate
from sparcell.evaluation._overlaps import Overlaps, count_overlaps
from sparcell.evaluation.boundary import (
    BoundaryDistance,
    BoundaryReport,
    boundary_distance,
    evaluate_boundaries,
)
from sparcell.evaluation.confusion import Confusion
from sparcell.evaluation.counts import ObjectCount, count_objects
from sparcell.evaluation.detection import (
    Detection,
    DetectionReport,
    detect,
    evaluate_detection,
)
from sparcell.evaluation.errors import ErrorClasses, ErrorCounts, classify_errors
from sparcell.evaluation.matching import THRESHOLDS, Matching, match_objects
from sparcell.evaluation.overlap import overlap_of_ids, overlap_scores
from sparcell.evaluation.overlay import draw_errors, draw_overlay
from sparcell.evaluation.pixel import PixelScores, pixel_scores
from sparcell.evaluation.scores import Evaluation, Scores, score
from sparcell.evaluation.stain import Correlation, StainEvaluation, evaluate_stains, pearson

__all__ = [
    "THRESHOLDS",
    "BoundaryDistance",
    "BoundaryReport",
    "Confusion",
    "Correlation",
    "Detection",
    "DetectionReport",
    "ErrorClasses",
    "ErrorCounts",
    "Evaluation",
    "Matching",
    "ObjectCount",
    "Overlaps",
    "PixelScores",
    "Scores",
    "StainEvaluation",
    "boundary_distance",
    "classify_errors",
    "count_objects",
    "count_overlaps",
    "detect",
    "draw_errors",
    "draw_overlay",
    "evaluate",
    "evaluate_boundaries",
    "evaluate_detection",
    "evaluate_stains",
    "match_objects",
    "overlap_of_ids",
    "overlap_scores",
    "pearson",
    "pixel_scores",
    "score",
]
