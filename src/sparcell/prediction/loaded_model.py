"""A model with the runtime that runs it, and its description for other processes."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.models.model import Model
from sparcell.models.model_cache import MODELS
from sparcell.models.runtime import Runtime
from sparcell.prediction.tiling.tta import TTARuntime


class LoadedModel:
    """A model, and the runtime that runs it, which is started when it is first needed.

    Parameters
    ----------
    model : Model
    runtime : Runtime or str
        One that `Model.open` gave, or the name of one, which is opened once in a process.
    threads : int
        Of one that is opened; 0 lets it choose.
    tta : str, optional
        See `sparcell.prediction.tiling.tta.list_symmetries`; None: what the model says.
    """

    def __init__(
        self,
        model: Model,
        runtime: Runtime | str = "auto",
        threads: int = 0,
        tta: str | None = None,
    ) -> None:
        if threads < 0:
            raise InputError(f"`threads={threads}`", "0 or more", "correct it")
        self.model, self.threads = model, threads
        self._given, self._tta = runtime, tta or model.spec.tta

    @cached_property
    def runtime(self) -> TTARuntime:
        """The network, with test-time augmentation before it.

        Raises
        ------
        InputError
            If the runtime is unknown or does not reproduce the golden output, or the model does
            not work with the augmentation.
        """
        given = self._given
        network = self.model.open(given, self.threads) if isinstance(given, str) else given
        return TTARuntime.of(network, self.model, self._tta)


@dataclass(frozen=True)
class RuntimeSpec:
    """Description of a model and its runtime, by which another process starts the same.

    Attributes
    ----------
    model : Path
        Model file; only processes that are given the description read it.
    digest : str
        Of the model.
    runtime : str
        As `Model.open` takes it.
    threads : int
        Of the network.
    tta : str or None
        Test-time augmentation.
    name : str
        What the first process runs it on; the others must do the same.
    """

    model: Path
    digest: str
    runtime: str
    threads: int
    tta: str | None
    name: str

    @classmethod
    def start(
        cls, model: Model, path: Path, runtime: str, threads: int, tta: str | None
    ) -> RuntimeSpec:
        """Start the network in this process, and describe it.

        Parameters
        ----------
        model : Model
        path : Path
            Where others will find it.
        runtime, threads, tta
            See `RuntimeSpec`.

        Raises
        ------
        InputError
            If the runtime is unknown or does not reproduce the golden output.
        """
        loaded = LoadedModel(model, runtime, threads, tta)
        spec = cls(path, model.digest, runtime, threads, tta, loaded.runtime.name)
        _cache(spec, loaded)
        return spec

    def open(self) -> LoadedModel:
        """Start the network, once in each process.

        Raises
        ------
        InputError
            If the model cannot be read, or another runtime is the fastest that is right here.
        """
        if self not in _loaded:
            loaded = LoadedModel(MODELS.get(self.model), self.runtime, self.threads, self.tta)
            if loaded.runtime.name != self.name:
                raise InputError(
                    f"{loaded.runtime.name} on {socket.gethostname()}, {self.name} elsewhere",
                    "one runtime for all, so that results do not depend on the machine",
                    "choose a `runtime` that every machine has",
                )
            _cache(self, loaded)
        return _loaded[self]

    def warm_up(self) -> None:
        """Start the network before it is needed."""
        self.open()

    def close(self) -> None:
        """Free the network in this process."""
        _loaded.pop(self, None)


_loaded: dict[RuntimeSpec, LoadedModel] = {}


def _cache(spec: RuntimeSpec, loaded: LoadedModel) -> None:
    # A network has large buffers, so there is one at a time.
    _loaded.clear()
    _loaded[spec] = loaded
