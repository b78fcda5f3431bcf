"""sparcell demo: the whole way on simulated images, offline."""

from __future__ import annotations

import logging
from pathlib import Path

import typer

logger = logging.getLogger(__name__)

WELLS = {"A1": 40.0, "B1": 90.0}
"""Wells of the simulated experiment and the doubling times of their cells, hours."""
EPOCHS = 5


def demo(
    out: Path = typer.Option(
        Path("sparcell-demo"), "-o", "--output", help="Folder for everything."
    ),
    seed: int = typer.Option(0, help="Equal seeds give equal images."),
) -> None:
    """Run all steps on simulated images, in minutes."""
    from sparcell.cli.extras import need_torch

    need_torch()
    from sparcell.core.dataset import Dataset
    from sparcell.evaluation import evaluate
    from sparcell.io import read_table
    from sparcell.labeling import label
    from sparcell.measurement import measure
    from sparcell.prediction.predict import predict
    from sparcell.simulation import SimulationSettings, write_dataset
    from sparcell.training import train

    data, run, counted = out / "plate", out / "run", out / "counted"
    if not data.exists():
        logger.info("1. a plate of simulated wells, phase contrast and nuclear stain")
        settings = SimulationSettings(size=(384, 384), density=80)
        write_dataset(
            data, settings, seed, train=20, val=4, test=8, failures=("empty", "leak"), wells=WELLS
        )
    if not (data / "quality.csv").exists():
        logger.info("2. labels from the stain; two stains are faulty and should be refused")
        label(data)
    logger.info("3. training: find nuclei in phase contrast, without manual outlines")
    train(
        "nuclei-light",
        data,
        run,
        overrides=[f"fit.epochs={EPOCHS}", f"seed={seed}"],
        resume=run.exists(),
    )
    logger.info("4. counting every image from phase contrast alone")
    predict(run, data / "images", counted, resume=True)
    measure(counted, images=data / "images", out=out / "tables")
    logger.info("5. test images against the simulator's truth, which no step above has used")
    tested = [sample.name for sample in Dataset.open(data).split("test").samples]
    truth = {name: data / "truth" / f"{name}.tif" for name in tested}
    scores = evaluate(truth, {name: counted / "labels" / f"{name}.tif" for name in tested}).total
    growth = read_table(out / "tables" / "growth.csv").set_index("well")["doubling_time"]
    measured = ", ".join(f"{well} {hours:.0f} h" for well, hours in growth.items())
    simulated = ", ".join(f"{well} {hours:.0f} h" for well, hours in WELLS.items())
    logger.info(
        f"object-level F1 {scores.overlap.dice:.3f}, one-to-one F1 at IoU 0.5 "
        f"{scores.level(0.5).confusion.dice:.3f}\n"
        f"doubling times: {measured} measured, {simulated} simulated\n"
        f"report: {run / 'report.html'}\ngrowth curve and tables: {out / 'tables'}"
    )
