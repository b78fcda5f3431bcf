"""Everything that the server has open: the folder, images, and sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparcell.app.correcting import OpenCorrection
from sparcell.app.object_tables import list_objects
from sparcell.app.pixels import Source, SourceCache
from sparcell.app.reviewing import OpenReview
from sparcell.app.track_paths import TrackPaths
from sparcell.app.workspace import UnknownIdError, Workspace, scan
from sparcell.core.image import Plane
from sparcell.core.image_ref import ImageRef
from sparcell.io import open_levels
from sparcell.io.chunks import warn_missing_chunks

IMAGE, STAIN = "image", "stain"


class Hub:
    """The folder, images and sessions that the server has open."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace: Workspace = scan(root)
        self.sources = SourceCache()
        self.reviews: dict[str, OpenReview] = {}
        self.corrections: dict[str, OpenCorrection] = {}
        self._paths: dict[tuple[str, str, int], TrackPaths] = {}

    def rescan(self) -> Workspace:
        """Look again at what is in the folder."""
        self.workspace = scan(self.root)
        return self.workspace

    def review(self, session_id: str) -> OpenReview:
        """Open a session, or return it if it is open."""
        if session_id not in self.reviews:
            self.reviews[session_id] = OpenReview(self.workspace.session(session_id))
        return self.reviews[session_id]

    def correction(self, correction_id: str) -> OpenCorrection:
        """Open a correction, or return it if it is open."""
        if correction_id not in self.corrections:
            folder = self.workspace.correction(correction_id)
            self.corrections[correction_id] = OpenCorrection(folder)
        return self.corrections[correction_id]

    def corrected_pixels(self, correction_id: str, number: int, kind: str) -> Source:
        """Open the image or the stain of a corrected image."""
        sample = self.correction(correction_id).sample(number)
        files = {IMAGE: sample.whole_image, STAIN: sample.files.get("stain")}
        ref = files.get(kind)
        if ref is None:
            raise UnknownIdError(kind)
        return self._source(f"{correction_id} {number} {kind}", ref)

    def pixels(self, field_id: str, kind: str) -> Source:
        """Open the image or the stain of a field."""
        field = self.workspace.field(field_id)
        ref = field.image if kind == IMAGE else field.stain
        if ref is None:
            raise UnknownIdError(kind)
        return self._source(f"{field_id} {kind}", ref)

    def labels(self, field_id: str, layer_id: str) -> Source:
        """Open the labels of a field in a layer."""
        ref = self.workspace.labels(field_id, layer_id)
        return self._source(f"{field_id} {layer_id}", ref, labels=True)

    def track_paths(self, field_id: str, layer_id: str) -> TrackPaths:
        """Read the paths of the tracks of a field in a layer of tracked cells."""
        layer = self.workspace.layer(layer_id)
        if not layer.tracked:
            raise UnknownIdError(layer_id)
        folder = layer.folder
        movie = self.workspace.field(field_id).name
        stamp = (folder / "objects.csv").stat().st_mtime_ns
        key = (str(folder), movie, stamp)
        if key not in self._paths:
            self._paths = {key: TrackPaths.read(folder, movie)}
        return self._paths[key]

    def case_pixels(self, session_id: str, case_id: str, kind: str) -> Source:
        """Open the image, the stain or the objects of a case."""
        review = self.review(session_id)
        case = review.session.case(case_id)
        key = f"{session_id} {case_id} {kind}"
        if kind == "objects":
            review.session.check_objects(case)
            return self._source(key, ImageRef(review.session.objects_path(case)), labels=True)
        sample, files = review.sample(case), {IMAGE: "images", STAIN: "stain"}
        if kind not in files or files[kind] not in sample.files:
            raise UnknownIdError(kind)
        return self._source(key, sample.files[files[kind]])

    def places(self, session_id: str, case_id: str) -> dict[str, Any]:
        """List id, y and x of the objects of a case."""
        objects = list_objects(self.case_pixels(session_id, case_id, "objects").image, Plane())
        return {"places": [[one["id"], one["y"], one["x"]] for one in objects]}

    def _source(self, key: str, ref: ImageRef, labels: bool = False) -> Source:
        return self.sources.get(key, lambda: _open(ref, labels))

    def close(self) -> None:
        """Let other processes write the sessions and corrections again."""
        for review in self.reviews.values():
            review.close()
        for correction in self.corrections.values():
            correction.close()


def _open(ref: ImageRef, labels: bool) -> Source:
    image, *smaller = open_levels(ref, labels)
    if not labels:
        warn_missing_chunks(image)
    return Source(image, labels, smaller)
