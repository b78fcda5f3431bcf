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
from sparcell.evaluation.detection import Detection, DetectionReport, detect, evaluate_detection
from sparcell.evaluation.errors import ErrorClasses, ErrorCounts, Rules, classify_errors
from sparcell.evaluation.groups import Groups, group_images, read_groups, usual_groups
from sparcell.evaluation.matching import THRESHOLDS, Matching, match_objects
from sparcell.evaluation.overlap import overlap_of_ids, overlap_scores
from sparcell.evaluation.overlay import draw_errors, draw_overlay
from sparcell.evaluation.pixel import PixelScores, pixel_scores
from sparcell.evaluation.scores import RATIOS, Scores, score
from sparcell.evaluation.sets import Evaluation, ImageMeans, mean_of_images
from sparcell.evaluation.stain import Correlation, StainEvaluation, evaluate_stains, pearson
from sparcell.evaluation.stain_windows import CorrelationWindows

__all__ = [
    "RATIOS",
    "THRESHOLDS",
    "BoundaryDistance",
    "BoundaryReport",
    "Confusion",
    "Correlation",
    "CorrelationWindows",
    "Detection",
    "DetectionReport",
    "ErrorClasses",
    "ErrorCounts",
    "Evaluation",
    "Groups",
    "ImageMeans",
    "Matching",
    "ObjectCount",
    "Overlaps",
    "PixelScores",
    "Rules",
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
    "group_images",
    "match_objects",
    "mean_of_images",
    "overlap_of_ids",
    "overlap_scores",
    "pearson",
    "pixel_scores",
    "read_groups",
    "score",
    "usual_groups",
]
