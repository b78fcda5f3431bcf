"""Verdict of `sparcell models try` on single images of each set.

    SPARCELL_DATA=FOLDER python benchmarks/model_choice.py [--models NAME ...] [--sets WORD ...]

Each image is tried on its own, as if it were all that a user has. Printed is how often each model
was recommended, or none, beside the model that was made for such images (`none` where there is
none, `?` where one is near). The images are those of `model_fit.py`.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import pandas as pd
from model_fit import OTHER, RIGHT, TRAINED_ON, add_sample_options, chosen_sets, images_of

from sparcell.model_choice.choice import ModelTrials
from sparcell.model_choice.trial import try_model
from sparcell.models import load_model
from sparcell.prediction.loaded_model import LoadedModel


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=[*RIGHT], metavar="MODEL")
    add_sample_options(parser)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    loaded = {
        Path(model).stem: LoadedModel(load_model(model), "auto", options.threads)
        for model in options.models
    }
    rows = []
    for images in chosen_sets(options.sets):
        learned = next((n for n in loaded if images.folder in TRAINED_ON.get(n, ())), "")
        for label, image in images_of(images, learned, options.images):
            trials = [
                ModelTrials(n, (try_model(one, image),), one.model.spec.general)
                for n, one in loaded.items()
            ]
            first = max(trials, key=lambda one: one.rank)
            verdict = first.name if first.fits else "none"
            rows.append({"set": images.name, "image": label, "verdict": verdict})
    table = pd.DataFrame(rows).groupby("set", sort=False)["verdict"].value_counts().unstack()
    table = table.reindex(columns=[*loaded, "none"]).fillna(0).astype(int)
    table.insert(0, "made for", [made_for(name) for name in table.index])
    print(table.reset_index().to_string(index=False))


def made_for(images: str) -> str:
    """Name the model that was made for a set."""
    right = [model for model, sets in RIGHT.items() if images in sets]
    near = any(images in sets for sets in OTHER.values())
    return right[0] if right else "?" if near else "none"


if __name__ == "__main__":
    main()
