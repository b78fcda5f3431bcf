"""sparcell study: which recipe, how many labels; answered on one's own images."""

from __future__ import annotations

import logging
from functools import wraps
from pathlib import Path
from typing import Any

import typer

from sparcell.cli.help import GroupedCommand, SuggestingGroup

logger = logging.getLogger(__name__)

DESIGN, TRAINING = "Design", "Training"
FORECAST, RUNS = "Forecast", "Pretraining"
DATA = typer.Option(..., "--data", help="Dataset folder.")
OUT = typer.Option(Path("study"), "-o", "--output", help="Folder of the study.")
RESUME = typer.Option(False, "--resume", help="Continue a stopped study.")
DASK = typer.Option(
    "", help="Several runs at a time: local:N, slurm, slurm:N, or a Dask scheduler's address."
)
MORE = typer.Option(
    None, min=1, help="How many more images; by default as many again.", rich_help_panel=FORECAST
)
MINUTES = typer.Option(None, min=0, help="Time to outline an image, min.", rich_help_panel=FORECAST)
SECONDS = typer.Option(None, min=0, help="Time to outline an object, s.", rich_help_panel=FORECAST)
DRY_RUN = typer.Option(False, "--dry-run", help="Print the plan and stop.")


class _RunByDefault(SuggestingGroup):
    """Reads `sparcell study STUDY.yaml` as `sparcell study run STUDY.yaml`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["run", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


app = typer.Typer(
    cls=_RunByDefault,
    help="Compare recipes and numbers of labels on your images.",
    no_args_is_help=True,
)


@app.command("run", cls=GroupedCommand)
def run(
    study: Path = typer.Argument(..., help="YAML file: what is compared."),
    data: Path = DATA,
    out: Path = OUT,
    resume: bool = RESUME,
    dask: str = DASK,
    dry_run: bool = DRY_RUN,
) -> None:
    """Run a study, the same as `sparcell study FILE`."""
    from sparcell.studies import load_study

    _carry_out(load_study(study), data, out, resume, dask, dry_run)


@app.command("curve", cls=GroupedCommand)
def curve(
    data: Path = DATA,
    out: Path = OUT,
    recipe: str = typer.Option("nuclei-light", help="A recipe's name or YAML."),
    seeds: int = typer.Option(
        3, min=1, help="Repetitions, where test images are marked.", rich_help_panel=DESIGN
    ),
    group: str = typer.Option(
        None, help="Column of split.csv whose images stay together.", rich_help_panel=DESIGN
    ),
    metric: str = typer.Option(
        "f1", help="Column of results.csv that is fitted.", rich_help_panel=FORECAST
    ),
    more: int = MORE,
    minutes_per_field: float = MINUTES,
    seconds_per_object: float = SECONDS,
    steps: int = typer.Option(
        None, min=1, help="Steps of every training.", rich_help_panel=TRAINING
    ),
    minutes: float = typer.Option(
        None, min=0, help="Time of every training, min.", rich_help_panel=TRAINING
    ),
    settings: list[str] = typer.Option(
        [], "--set", help="Change a setting of the recipe.", rich_help_panel=TRAINING
    ),
    resume: bool = RESUME,
    dask: str = DASK,
    dry_run: bool = DRY_RUN,
) -> None:
    """Forecast what more labels would bring."""
    from sparcell.studies.learning_curve_study import learning_curve_study
    from sparcell.training.settings import read_overrides

    study = learning_curve_study(
        data,
        recipe,
        seeds=seeds,
        group=group,
        limit=_limit(steps, minutes),
        settings=read_overrides(settings),
    )
    if _carry_out(study, data, out, resume, dask, dry_run):
        from sparcell.io import read_table
        from sparcell.studies.curve import learning_curve
        from sparcell.studies.curve_words import describe
        from sparcell.studies.page import write_study_page

        write_study_page(out, minutes_per_field, more, seconds_per_object)
        fitted = learning_curve(read_table(out / "results.csv"), metric)
        typer.echo(describe(fitted, minutes_per_field, more, seconds_per_object))


@app.command("correction", cls=GroupedCommand)
def correction(
    data: Path = DATA,
    model: str = typer.Option(
        ..., "--model", help="Model to correct, which learned from none of these images."
    ),
    out: Path = OUT,
    recipe: str = typer.Option(
        "",
        help="A recipe's name or YAML; by default nuclei-light, or that of the model's run folder "
        "where its method is another.",
    ),
    verdicts: str = typer.Option(
        "100,400", help="Numbers of judged objects to train after.", rich_help_panel=DESIGN
    ),
    seeds: int = typer.Option(3, min=1, help="Repetitions.", rich_help_panel=DESIGN),
    images: int = typer.Option(
        0, min=0, help="Training images that are corrected; 0: all.", rich_help_panel=DESIGN
    ),
    mistakes: float = typer.Option(
        0.05, min=0, max=1, help="Share of wrong verdicts, 0 to 1.", rich_help_panel=DESIGN
    ),
    confident: float = typer.Option(
        0.2,
        min=0,
        max=1,
        help="Also learn from unjudged objects of at most this uncertainty.",
        rich_help_panel=DESIGN,
    ),
    settings: list[str] = typer.Option(
        [], "--set", help="Change a setting of the recipe.", rich_help_panel=TRAINING
    ),
    resume: bool = RESUME,
) -> None:
    """Compare orders of correction, with simulated experts."""
    from sparcell.cli.extras import need_torch
    from sparcell.studies.correction_page import describe_orders
    from sparcell.studies.correction_study import (
        CorrectionStudy,
        read_results,
        run_correction_study,
    )

    need_torch()
    numbers = _numbers(verdicts) or ()
    study = CorrectionStudy(
        data,
        model,
        recipe,
        tuple(sorted(int(n) for n in numbers)),
        seeds,
        images,
        mistakes,
        confident,
        tuple(settings),
    )
    page = run_correction_study(study, out, resume)
    for line in describe_orders(*read_results(out)):
        typer.echo(line)
    logger.info(f"page: {page}")


@app.command("pretraining", cls=GroupedCommand)
def pretraining(
    data: Path = DATA,
    out: Path = OUT,
    recipe: str = typer.Option("bonte2023-light/nuclei", help="Recipe that finds objects."),
    labels: str = typer.Option(
        "labels", help="Folder of the labels in the dataset.", rich_help_panel=DESIGN
    ),
    stain_recipe: str = typer.Option(
        "bonte2023-light/stain", help="Recipe that predicts the stain.", rich_help_panel=RUNS
    ),
    stain: Path = typer.Option(
        None,
        metavar="RUN",
        help="A finished run that predicts the stain; nothing is trained for it.",
        rich_help_panel=RUNS,
    ),
    start: list[Path] = typer.Option(
        [],
        metavar="RUN",
        help="A further run to start from, named by its folder; repeatable.",
        rich_help_panel=RUNS,
    ),
    budgets: str = typer.Option(
        "",
        help="Numbers of labelled images: 1,2,5,10; by default up to all.",
        rich_help_panel=DESIGN,
    ),
    seeds: int = typer.Option(
        3, min=1, help="Repetitions, each with other labelled images.", rich_help_panel=DESIGN
    ),
    steps: int = typer.Option(
        None, min=1, help="Steps of every training after the stain's.", rich_help_panel=TRAINING
    ),
    minutes: float = typer.Option(
        None, min=0, help="Their time instead, min.", rich_help_panel=TRAINING
    ),
    settings: list[str] = typer.Option(
        [], "--set", help="Change a setting of the recipe.", rich_help_panel=TRAINING
    ),
    stain_settings: list[str] = typer.Option(
        [],
        "--set-stain",
        help="Change a setting of the stain's recipe.",
        rich_help_panel=TRAINING,
    ),
    resume: bool = RESUME,
    dask: str = DASK,
    dry_run: bool = DRY_RUN,
) -> None:
    """Compare pretraining by a stain, ImageNet, others."""
    from functools import partial

    from sparcell.studies.design import plan_study
    from sparcell.studies.pretraining_study import (
        STAIN,
        check_runs,
        count_fields,
        learn_stain,
        name_runs,
        pretraining_study,
        write_pretraining,
    )
    from sparcell.training.settings import read_overrides

    count_fields(data, labels)
    run = stain or out / "stain"
    runs = name_runs(run, start)
    make_study = partial(
        pretraining_study,
        data,
        runs,
        recipe,
        labels=labels,
        budgets=_numbers(budgets),
        seeds=seeds,
        limit=_limit(steps, minutes),
        settings=read_overrides(settings),
    )
    # Mistakes in the later steps are reported before the stain is learned, which takes long.
    study = make_study()
    plan = plan_study(study, data)
    check_runs({name: one for name, one in runs.items() if one != run}, study, data)
    coming = (str(run.resolve()),)
    _check_starts(plan, coming)
    if not stain and not dry_run:
        from sparcell.cli.extras import need_torch

        need_torch()
        learn_stain(stain_recipe, data, run, stain_settings, resume)
        study = make_study()
    if not dry_run:
        check_runs({STAIN: run}, study, data)
    if _carry_out(study, data, out / "study", resume, dask, dry_run, coming):
        typer.echo(f"pretraining: {write_pretraining(out, run)}")


@app.command("isl", cls=GroupedCommand, hidden=True)
@wraps(pretraining)
def _isl(**options: Any) -> None:
    logger.warning("sparcell study isl is now sparcell study pretraining; use the new name")
    pretraining(**options)


def _numbers(text: str) -> list[int]:
    from sparcell.core.errors import InputError

    parts = [part.strip() for part in text.split(",") if part.strip()]
    numbers = [int(part) for part in parts if part.isdecimal()]
    if len(set(numbers) - {0}) < len(parts):
        raise InputError(
            f"--budgets {text}", "different whole numbers above 0, between commas", "try 1,2,5,10"
        )
    return numbers


def _limit(steps: int | None, minutes: float | None) -> Any:
    from sparcell.core.errors import InputError
    from sparcell.studies.config import Limit

    if steps and minutes:
        raise InputError("--steps and --minutes", "one of them", "leave one out")
    return Limit(steps=steps, minutes=minutes) if steps or minutes else None


@app.command("page", cls=GroupedCommand)
def page(
    out: Path = typer.Argument(..., help="Folder of a study."),
    more: int = MORE,
    minutes_per_field: float = MINUTES,
    seconds_per_object: float = SECONDS,
) -> None:
    """Write study.html of a study again."""
    from sparcell.studies.page import write_study_page

    logger.info(f"study: {write_study_page(out, minutes_per_field, more, seconds_per_object)}")


def _carry_out(
    study: Any,
    data: Path,
    out: Path,
    resume: bool,
    dask: str,
    dry_run: bool,
    coming: tuple[str, ...] = (),
) -> bool:
    """Carry out a study, or print its plan; tell whether it was carried out."""
    from sparcell.studies.design import describe_plan, plan_study

    if dry_run:
        plan = plan_study(study, data)
        _check_starts(plan, coming)
        typer.echo(describe_plan(plan))
        return False
    from sparcell.cli.extras import need_torch

    need_torch()
    from sparcell.studies import run_study

    run_study(study, data, out, resume=resume, dask=dask)
    return True


def _check_starts(plan: Any, coming: tuple[str, ...]) -> None:
    """Check that the weights of a plan can be had, where training is installed."""
    from sparcell.cli.extras import missing_for_training

    if missing_for_training():
        return
    from sparcell.training.initialise import check_starts

    check_starts(plan.recipes.values(), coming)
