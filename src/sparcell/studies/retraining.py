"""A training of a correction study in a process of its own, so that its memory is freed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sparcell.core.errors import InputError, first_line

STOPPED = (130, -signal.SIGINT, -signal.SIGTERM)


def retrain(
    model: str, recipe: str, data: Path, run: Path, seed: int, settings: Sequence[str]
) -> None:
    """Train from a model on a dataset; a finished run is kept, and a stopped one goes on.

    Raises
    ------
    InputError
        If the training does not end with a model.
    """
    work = {
        "recipe": recipe,
        "data": str(data),
        "out": str(run),
        "overrides": [f"seed={seed}", *settings],
        "pretrained": model,
        "resume": run.exists(),
    }
    command = [sys.executable, "-m", "sparcell.studies.retraining", json.dumps(work)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode in STOPPED:
        raise KeyboardInterrupt
    if ended.returncode or not (run / "model.zip").is_file():
        lines = ended.stderr.strip().splitlines() or ["no message"]
        raise InputError(
            f"no model of {data} ({lines[-1]})", "a training that ends", "correct it, and `resume`"
        )


def main() -> None:
    """Carry out the training that the command line describes as JSON."""
    from sparcell.training import train

    try:
        train(**json.loads(sys.argv[1]))
    except InputError as error:
        sys.exit(first_line(error))


if __name__ == "__main__":
    main()
