"""Add the statistics of its training images to a model that has none.

    python benchmarks/add_domain.py MODEL.zip DATASET [DATASET ...] -o NEW.zip [--fill] [--general]

`sparcell train` adds them by itself. MODEL.zip is a model of Sparcell from before, or an exported
one, and the DATASETs have the images of its training and validation, as `split.csv` says. All other
files of the package stay as they are, so what the model finds does, too. With --fill, statistics
that the model has stay, and only how objects are filled is added. --general
marks a model of objects of many kinds and sizes.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

from sparcell.core.dataset import Dataset
from sparcell.io import open_sample
from sparcell.models import load_model
from sparcell.models.domain import MARGIN
from sparcell.models.model import write_zip
from sparcell.prediction.domain_check import measure_domain


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, metavar="MODEL.zip")
    parser.add_argument("datasets", type=Path, nargs="+", metavar="DATASET")
    parser.add_argument("-o", type=Path, required=True, metavar="NEW.zip")
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--general", action="store_true")
    options = parser.parse_args()
    model = load_model(options.model)
    samples = [
        sample
        for dataset in options.datasets
        for sample in Dataset.open(dataset).where(split=["train", "val"]).samples
    ]
    planes = [(one.image, plane) for one in samples for plane in open_sample(one).planes()]
    domain = measure_domain(model, planes)
    if domain is None:
        raise SystemExit("the model finds too few objects in these images")
    if options.fill and model.spec.domain is not None:
        domain = model.spec.domain.model_copy(update={"fill": domain.fill})
    with zipfile.ZipFile(options.model) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    if options.general:
        # Its images are of many laboratories: no margin for further ones is needed.
        limits = {name: getattr(domain, name) / MARGIN for name in ("limit", "limit_of_image")}
        domain = domain.model_copy(update=limits)
    changes = {"domain": domain, "general": options.general or model.spec.general}
    spec = model.spec.model_copy(update=changes)
    parts["sparcell.json"] = spec.model_dump_json(indent=1).encode()
    write_zip(options.o, parts)
    print(f"{domain.images} images: {options.o}")


if __name__ == "__main__":
    main()
