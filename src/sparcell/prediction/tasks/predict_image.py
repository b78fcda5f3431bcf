"""Predict an image: the stains of a label-free one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sparcell.core.columns import Columns
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.text import counted
from sparcell.measurement.result_tables import DEFAULT_TABLES, TableOptions
from sparcell.models.domain import DomainFit
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.items import Item
from sparcell.prediction.planning.resources import ResourceEstimate, estimate_image
from sparcell.prediction.predict_stain import check_stain_settings, predict_stain
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.tasks.task import PredictionTask, TaskResults


class ImageTask(PredictionTask):
    """Predict an image: the stains of a label-free one."""

    memory_advice = "choose a smaller `tile`"

    def check_settings(self, settings: PredictSettings, model: Model) -> None:
        """See `check_stain_settings`."""
        check_stain_settings(settings)

    def check_tables(self, tables: TableOptions, out: Path, names: Sequence[str]) -> None:
        """Refuse all tables: nothing is counted."""
        if tables != DEFAULT_TABLES:
            raise InputError(
                "tables of predicted stains",
                "a model that finds objects",
                "leave out `wells`, `xlsx` and the like",
            )

    def written(self, settings: PredictSettings) -> tuple[str, ...]:
        """The predicted images, and pictures of them."""
        return ("stain", "unfinished", *(("pictures",) if settings.pictures else ()))

    def result(self, item: Item, in_blocks: bool) -> Path:
        """The image of stains."""
        return item.stain

    def last_file(self, item: Item) -> Path:
        """The image of stains."""
        return item.stain

    def estimate(
        self, image: Image, network_image: Image, model: Model, settings: PredictSettings
    ) -> ResourceEstimate:
        """See `estimate_image`."""
        return estimate_image(image, network_image, model, settings)

    def window_function(self, model: Model, runtime: Runtime) -> Callable[[Any], Any]:
        """Maps are blended in float32."""
        return runtime

    def predict(self, prepared: PreparedImage, item: Item, threads: int) -> PreparedImage:
        """See `predict_stain`."""
        predict_stain(prepared, item.stain)
        return prepared

    def draw(self, image: Image, item: Item) -> None:
        """See `sparcell.prediction.overview.pictures.draw_stain`."""
        from sparcell.prediction.overview.pictures import draw_stain

        draw_stain(image, item.stain, item.picture)

    def announce(self, model: Model, images: int) -> str:
        """Say in a line what begins."""
        return f"Predicting {', '.join(model.maps)} of {counted(images, 'image')}."

    def finish(
        self,
        items: Sequence[Item],
        model: Model,
        scales: dict[str, Any],
        fits: Mapping[str, DomainFit],
        out: Path,
        tables: TableOptions,
    ) -> TaskResults:
        """List the predicted images."""
        images = [item.stain for item in items]
        stains = ", ".join(model.maps)
        summary = f"Predicted {stains} of {counted(len(images), 'image')}: {out / 'stain'}"
        return TaskResults(summary, Columns({"image": ()}), images)
