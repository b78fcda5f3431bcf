"""A network that is ready to run, described so that other processes can open the same."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.models.loading import load_model
from sparcell.models.model import Model
from sparcell.prediction.tiling.tta import TTARuntime


class LoadedModel:
    """A model and the runtime that runs it."""

    def __init__(self, model: Model, runtime: TTARuntime) -> None:
        self.model, self.runtime = model, runtime


@dataclass(frozen=True)
class RuntimeSpec:
    """What is run, and on what.

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
    tta : str
        Views of a window that are averaged.
    name : str
        What the first process runs it on; the others must do the same.
    """

    model: Path
    digest: str
    runtime: str
    threads: int
    tta: str
    name: str

    @classmethod
    def start(cls, model: Model, path: Path, runtime: str, threads: int, tta: str) -> RuntimeSpec:
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
        opened = _start(model, runtime, threads, tta)
        engine = cls(path, model.digest, runtime, threads, tta, opened.runtime.name)
        _hold(engine, opened)
        return engine

    def open(self) -> LoadedModel:
        """Start the network, once in each process.

        Raises
        ------
        InputError
            If the model cannot be read, or another runtime is the fastest that is right here.
        """
        if self not in _held:
            model = load_model(self.model)
            opened = _start(model, self.runtime, self.threads, self.tta)
            if opened.runtime.name != self.name:
                raise InputError(
                    f"{opened.runtime.name} on {socket.gethostname()}, {self.name} elsewhere",
                    "one runtime for all, so that results do not depend on the machine",
                    "choose one with --runtime that every machine has",
                )
            _hold(self, opened)
        return _held[self]

    def warm_up(self) -> None:
        """Start the network before it is needed."""
        self.open()

    def close(self) -> None:
        """Let go of the network in this process."""
        _held.pop(self, None)


def _start(model: Model, runtime: str, threads: int, tta: str) -> LoadedModel:
    network = model.open(runtime, threads)
    return LoadedModel(model, TTARuntime.of(network, model, tta))


_held: dict[RuntimeSpec, LoadedModel] = {}


def _hold(engine: RuntimeSpec, opened: LoadedModel) -> None:
    # Each network holds buffers: one at a time.
    _held.clear()
    _held[engine] = opened
