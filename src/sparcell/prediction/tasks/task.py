"""What every task of prediction does for its kind of result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from sparcell.core.columns import Columns
from sparcell.core.image import Image
from sparcell.core.text import counted
from sparcell.measurement.names import Wells
from sparcell.measurement.result_tables import TableOptions
from sparcell.models.domain import DomainFit
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.items import Item
from sparcell.prediction.loaded_model import RuntimeSpec
from sparcell.prediction.planning.resources import ResourceEstimate
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import PredictSettings

if TYPE_CHECKING:
    from sparcell.prediction.overview.page import Problems


class TaskResults(NamedTuple):
    """The results of all images together.

    Attributes
    ----------
    summary : str
        One line for the user.
    counts : Columns
        Objects in every image and plane; without rows for tasks without objects.
    images : list of Path
        Images that were predicted.
    wells : Wells, optional
        Where the images were taken, if that is known.
    """

    summary: str
    counts: Columns
    images: list[Path]
    wells: Wells | None = None


class PredictionTask(ABC):
    """Prediction, resources and files of one kind of result."""

    memory_advice: ClassVar[str]
    """Option to suggest where memory does not suffice."""

    def check_settings(self, settings: PredictSettings, model: Model) -> None:  # noqa: B027
        """Raise `InputError` for settings that this task cannot follow; most can follow all."""

    @abstractmethod
    def check_tables(self, tables: TableOptions, out: Path, names: Sequence[str]) -> None:
        """Raise `InputError` for tables that cannot be written, before anything is predicted."""

    @abstractmethod
    def written(self, settings: PredictSettings) -> tuple[str, ...]:
        """Names of what is written into the folder of results, beside the record."""

    @abstractmethod
    def result(self, item: Item, in_blocks: bool) -> Path:
        """Path of the image that is predicted."""

    @abstractmethod
    def last_file(self, item: Item) -> Path:
        """The file of an item that is written last: the others are whole if it is there."""

    def is_whole(self, item: Item) -> bool:
        """Whether the other files of an item can be read."""
        return True

    def in_blocks(self, settings: PredictSettings, image: Image) -> bool:
        """Whether an image is predicted in blocks."""
        return False

    @abstractmethod
    def estimate(
        self, image: Image, network_image: Image, model: Model, settings: PredictSettings
    ) -> ResourceEstimate:
        """Estimate windows, memory and disk space of one image."""

    @abstractmethod
    def window_function(self, model: Model, runtime: Runtime) -> Callable[[Any], Any]:
        """Function that runs the network on one window, for timing."""

    @abstractmethod
    def predict(self, prepared: PreparedImage, item: Item, threads: int) -> PreparedImage:
        """Predict one image in one go, and write its results.

        Returns
        -------
        PreparedImage
            In the size in which it was predicted.
        """

    @abstractmethod
    def draw(self, image: Image, item: Item) -> None:
        """Write the picture of an image with its results.

        Parameters
        ----------
        image : Image
            With the channels that the model took.
        item : Item
            Its results are written.

        Raises
        ------
        InputError
            If a file cannot be read or written.
        """

    def predict_in_blocks(
        self, prepared: PreparedImage, item: Item, runtime_spec: RuntimeSpec, client: Any
    ) -> PreparedImage:
        """Predict one image block by block, here or on the workers of `client`.

        Returns it in the size in which it was predicted.

        Called only if `in_blocks` returns True, which it never does by default.
        """
        raise NotImplementedError

    def judge(self, prepared: PreparedImage, item: Item) -> DomainFit | None:
        """Judge whether an image with results is of a kind that its model knows, if that can be."""
        return None

    @abstractmethod
    def finish(
        self,
        items: Sequence[Item],
        model: Model,
        scales: dict[str, Any],
        fits: Mapping[str, DomainFit],
        out: Path,
        tables: TableOptions,
    ) -> TaskResults:
        """Write what is about all images together.

        Parameters
        ----------
        items : sequence of Item
            Those that have results.
        model : Model
        scales : dict
            Name of an item to its `Scale` as a dictionary; missing ones are added.
        fits : mapping
            Name of an item to how well it fits the model, where that is known.
        out : Path
        tables : TableOptions
        """

    def write_exports(  # noqa: B027
        self, items: Sequence[Item], results: TaskResults, out: Path, tables: TableOptions
    ) -> None:
        """Write files of all tables, which need the record; tasks without objects have none."""

    def announce(self, model: Model, images: int) -> str:
        """Say in a line what begins."""
        return f"Counting {model.spec.objects[1]} in {counted(images, 'image')}."

    def write_overview(
        self,
        items: Sequence[Item],
        results: TaskResults,
        model: Model,
        out: Path,
        problems: Problems,
    ) -> Path | None:
        """Write the page with the pictures of all images; tasks without objects have none."""
        return None
