"""Find objects: a label image, an object table, and counts of all images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparcell.core.columns import Columns
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.text import counted
from sparcell.io import open_image
from sparcell.measurement import stack_note
from sparcell.measurement.count_table import write_counts
from sparcell.measurement.names import Wells
from sparcell.measurement.result_tables import (
    EXPORTS,
    WELL_FILES,
    TableOptions,
    check_out,
    unknown_wells_note,
    write_exports,
    write_well_tables,
)
from sparcell.methods.base import DENSE_MAPS
from sparcell.models.domain import DomainFit
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime, read_uint8
from sparcell.prediction.blocks.predict_blocks import predict_in_blocks
from sparcell.prediction.counts import count_objects
from sparcell.prediction.domain_check import judge_image
from sparcell.prediction.found_size import Areas, predict_in_size, say_resized
from sparcell.prediction.items import Item
from sparcell.prediction.loaded_model import RuntimeSpec
from sparcell.prediction.misfit_warning import warn_misfits
from sparcell.prediction.planning.resources import ResourceEstimate, estimate_instances
from sparcell.prediction.predict_hypotheses import check_hypotheses, predict_hypotheses
from sparcell.prediction.predict_instances import predict_instances
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.size import warn_if_far
from sparcell.prediction.size_by_windows import in_size_of_windows
from sparcell.prediction.tasks.task import PredictionTask, TaskResults
from sparcell.system.machine import usable_cores

if TYPE_CHECKING:
    from sparcell.prediction.overview.page import Problems

logger = logging.getLogger(__name__)


class InstanceTask(PredictionTask):
    """Find objects: a label image, an object table, and counts of all images."""

    memory_advice = "predict in blocks: `block=2048`"

    def check_settings(self, settings: PredictSettings, model: Model) -> None:
        """See `check_hypotheses`."""
        if settings.hypotheses:
            check_hypotheses(settings, model)

    def check_tables(self, tables: TableOptions, out: Path, names: Sequence[str]) -> None:
        """Check the wells, and that no file of others would be replaced."""
        check_out(out, [*WELL_FILES, *EXPORTS])
        tables.check(names)

    def written(self, settings: PredictSettings) -> tuple[str, ...]:
        """Labels unless they go into the images, object tables, counts."""
        labels = () if settings.into_image else ("labels",)
        pictures = ("pictures", "overview.html") if settings.pictures else ()
        others = ("hypotheses",) if settings.hypotheses else ()
        return (*labels, *others, "objects", "counts.csv", "unfinished", *pictures)

    def result(self, item: Item, in_blocks: bool) -> Path:
        """The label image."""
        return item.labels(in_blocks)

    def last_file(self, item: Item) -> Path:
        """The object table."""
        return item.objects

    def is_whole(self, item: Item) -> bool:
        """Whether the label image can be opened."""
        try:
            open_image(item.written_labels)
        except InputError:
            return False
        return True

    def in_blocks(self, settings: PredictSettings, image: Image) -> bool:
        """Whether the image is large, or the settings ask for blocks."""
        return settings.in_blocks(image)

    def estimate(
        self, image: Image, network_image: Image, model: Model, settings: PredictSettings
    ) -> ResourceEstimate:
        """See `estimate_instances`."""
        in_blocks = self.in_blocks(settings, image)
        return estimate_instances(image, network_image, model, settings, in_blocks)

    def window_function(self, model: Model, runtime: Runtime) -> Callable[[Any], Any]:
        """Maps are read as bytes, detections as they are."""
        return partial(read_uint8, runtime) if model.method.output is DENSE_MAPS else runtime

    def predict(self, prepared: PreparedImage, item: Item, threads: int) -> PreparedImage:
        """See `predict_instances` and `predict_in_size`."""
        labels = item.labels(in_blocks=False)
        threads = threads or usable_cores()

        def find(image: PreparedImage) -> Areas:
            if image.settings.hypotheses:
                # The object table is written last.
                predict_hypotheses(image, item.hypothesis)
            table = predict_instances(image, labels, item.objects, item.name, threads)
            return table["area_px"]

        return predict_in_size(prepared, find, lambda image: self.judge(image, item))

    def draw(self, image: Image, item: Item) -> None:
        """See `sparcell.prediction.overview.pictures.draw_objects`."""
        from sparcell.prediction.overview.pictures import draw_objects

        draw_objects(image, item.written_labels, item.objects, item.picture)

    def predict_in_blocks(
        self, prepared: PreparedImage, item: Item, runtime_spec: RuntimeSpec, client: Any
    ) -> PreparedImage:
        """See `sparcell.prediction.blocks.predict_blocks` and `in_size_of_windows`."""
        prepared = in_size_of_windows(prepared, runtime_spec.threads or usable_cores())
        predict_in_blocks(prepared, item, runtime_spec, client)
        return prepared

    def judge(self, prepared: PreparedImage, item: Item) -> DomainFit | None:
        """See `judge_image`."""
        return judge_image(prepared, open_image(item.written_labels))

    def finish(
        self,
        items: Sequence[Item],
        model: Model,
        scales: dict[str, Any],
        fits: Mapping[str, DomainFit],
        out: Path,
        tables: TableOptions,
    ) -> TaskResults:
        """Count the objects of every plane and well."""
        counts = count_objects(items, model, scales, fits)
        write_counts(counts, out / "counts.csv")
        wells = self._write_wells([item.name for item in items], counts, out, tables)
        named = {item.name: scales[item.name] for item in items if item.name in scales}
        if resized := say_resized(named, len(items), model.spec.objects[1]):
            logger.info(resized)
        if all(item.settings.diameter is None for item in items):
            warn_if_far(counts, model.spec)
        warn_misfits(fits, model)
        axes_given = any(item.settings.axes for item in items)
        if len(counts) and (note := stack_note(counts, axes_given)):
            logger.warning(note)
        if not items:
            return TaskResults("No image was counted.", counts, [])
        total = int(counts["count"].sum()) if len(counts) else 0
        objects = counted(total, *model.spec.objects)
        summary = f"Found {objects} in {counted(len(items), 'image')}"
        if len(counts) > len(items):
            summary += f" of {len(counts)} layers together"
        summary += f".\n  Counts    {out / 'counts.csv'}"
        if not any(item.settings.into_image for item in items):
            summary += f"\n  Outlines  {out / 'labels'}"
        return TaskResults(summary, counts, [], wells)

    def _write_wells(
        self, names: Sequence[str], counts: Columns, out: Path, tables: TableOptions
    ) -> Wells | None:
        """Write the tables of wells; without them the counts are still right."""
        try:
            wells = write_well_tables(counts, tables.find_wells(names), out, tables)
        except InputError as error:
            logger.warning(f"no tables of wells: {error}")
            return None
        if wells is None and (note := unknown_wells_note(names)):
            logger.warning(note)
        return wells

    def write_exports(
        self, items: Sequence[Item], results: TaskResults, out: Path, tables: TableOptions
    ) -> None:
        """See `sparcell.measurement.result_tables.write_exports`; nothing without results."""
        if items:
            write_exports(out, [item.objects for item in items], out, results.wells, tables)

    def write_overview(
        self,
        items: Sequence[Item],
        results: TaskResults,
        model: Model,
        out: Path,
        problems: Problems,
    ) -> Path | None:
        """See `sparcell.prediction.overview.page.write_overview`; no page without images."""
        from sparcell.prediction.overview.page import write_overview

        return write_overview(items, results.counts, model, out, problems)
