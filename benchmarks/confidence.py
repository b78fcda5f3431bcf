"""Whether the confidence of links is what it says, on movies with known tracks.

    python benchmarks/confidence.py DATA [--only NAME ...]

DATA is that of `benchmarks/tracking.py`. Links of the right half of each movie are judged, since
those of the left half served to fit the confidence. Links between two objects of which neither
covers a true one are left out. Predicted masks are judged as they are, and corrected. The
calibration error is the mean difference between confidence and share of right links, over ten bins.
The last column is the share of wrong links among the 5 % with the least confidence.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tracking import Case, cases, repair

from sparcell.tracking import follow_stage, link_objects
from sparcell.tracking.confidence import link_confidence

BINS = 10
LEAST = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="part of a name")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| movie | links | wrong | calibration error | wrong ones among the 5 % least sure |")
    print("|---|---|---|---|---|")
    for case in cases(options.data, options.seed, options.only):
        repaired = repair(case)
        corrected = [] if repaired is None else [(f"{case.name}, corrected", repaired)]
        for name, one in [(case.name, case), *corrected]:
            sure, right = judge_links(one)
            error, share = calibration_error(sure, right), share_of_wrong(sure, right)
            wrong = int((~right).sum())
            print(f"| {name} | {len(right)} | {wrong} | {error:.3f} | {share:.2f} |", flush=True)


def judge_links(case: Case) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence of the links of a movie, and which of them are right."""
    pixels = None if case.labels is None else case.labels.data
    labels = None if pixels is None else lambda t: pixels[t]
    links = link_objects(case.objects, follow_stage(case.objects).shifts, labels)
    of_object = true_tracks(case)
    parents = {track.id: track.parent for track in case.truth.tracks}
    first, second = of_object[links.first], of_object[links.second]
    mothers = np.array([parents.get(one, 0) for one in second.tolist()])
    right = np.where(links.is_division, (mothers > 0) & (mothers == first), first == second)
    across = case.objects.places[links.first, 1]
    judged = ((first > 0) | (second > 0)) & (across >= np.median(across))
    return link_confidence(case.objects, links)[judged], right[judged]


def true_tracks(case: Case) -> NDArray[np.int64]:
    """Track of a true object that each predicted one covers most of; 0 for none."""
    found = case.objects
    if case.labels is None:
        return np.asarray(case.truth.objects.ids)
    tracks = np.zeros(len(found), np.int64)
    for t, (frame, true) in enumerate(zip(case.labels.data, case.truth.objects.data, strict=True)):
        members = found.of_frame(t)
        for one in np.unique(true[true > 0]).tolist():
            covering = np.bincount(frame[true == one])
            best = int(covering.argmax())
            if best and covering[best] > covering.sum() / 2:
                place = members.start + np.searchsorted(found.ids[members], best)
                tracks[place] = tracks[place] or one
    return tracks


def calibration_error(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error (Guo et al. 2017, eq. 3), 0 to 1."""
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    parts = [bins == one for one in np.unique(bins)]
    return float(sum(abs(sure[part].mean() - right[part].mean()) * part.mean() for part in parts))


def share_of_wrong(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Share of the wrong links that are among the least sure ones, 0 to 1; NaN without any."""
    least = np.argsort(sure, kind="stable")[: max(round(LEAST * len(sure)), 1)]
    wrong = int((~right).sum())
    return float((~right[least]).sum() / wrong) if wrong else float("nan")


if __name__ == "__main__":
    main()
