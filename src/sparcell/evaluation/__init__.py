"""Scores of predicted label images: pixels, overlap, matching, outlines, errors, counts."""

from sparcell.evaluation._evaluate import evaluate
from sparcell.evaluation._overlaps import Overlaps, count_overlaps
from sparcell.evaluation.boundary import BoundaryDistance, boundary_distance
from sparcell.evaluation.confusion import Confusion
from sparcell.evaluation.counts import ObjectCount, count_objects
from sparcell.evaluation.detection import Detection, detect, match_near
from sparcell.evaluation.errors import (
    ErrorClasses,
    ErrorCounts,
    Rules,
    check_rules,
    classify_errors,
)
from sparcell.evaluation.groups import Groups, group_images, read_groups, usual_groups
from sparcell.evaluation.matching import THRESHOLDS, Matching, MatchingScores, match_objects
from sparcell.evaluation.metric import Column, Comparison, Metric, score_title, score_titles
from sparcell.evaluation.metrics import METRICS
from sparcell.evaluation.overlap import overlap_of_ids, overlap_scores
from sparcell.evaluation.overlay import draw_errors, draw_overlay
from sparcell.evaluation.pixel import PixelScores, pixel_scores
from sparcell.evaluation.report import ImageMeans, Report, mean_of_images
from sparcell.evaluation.scores import Scores, score
from sparcell.evaluation.stain import Correlation, StainScores, correlate_stains, pearson
from sparcell.evaluation.stain_windows import CorrelationWindows

__all__ = [
    "METRICS",
    "THRESHOLDS",
    "BoundaryDistance",
    "Column",
    "Comparison",
    "Confusion",
    "Correlation",
    "CorrelationWindows",
    "Detection",
    "ErrorClasses",
    "ErrorCounts",
    "Groups",
    "ImageMeans",
    "Matching",
    "MatchingScores",
    "Metric",
    "ObjectCount",
    "Overlaps",
    "PixelScores",
    "Report",
    "Rules",
    "Scores",
    "StainScores",
    "boundary_distance",
    "check_rules",
    "classify_errors",
    "correlate_stains",
    "count_objects",
    "count_overlaps",
    "detect",
    "draw_errors",
    "draw_overlay",
    "evaluate",
    "group_images",
    "match_near",
    "match_objects",
    "mean_of_images",
    "overlap_of_ids",
    "overlap_scores",
    "pearson",
    "pixel_scores",
    "read_groups",
    "score",
    "score_title",
    "score_titles",
    "usual_groups",
]
