"""Cut the movies of timelapse-ctc in time, for movies.yaml: python movies.py DATA -o OUT."""

from __future__ import annotations

import argparse
from pathlib import Path

import tifffile

PARTS = {"train": (0.0, 0.6), "val": (0.6, 0.75), "test": (0.75, 1.0)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("data", type=Path)
    arguments.add_argument("-o", "--out", type=Path, required=True)
    given = arguments.parse_args()
    rows = ["name,split"]
    for movie in sorted((given.data / "images").glob("*.tif")):
        for part, (start, stop) in PARTS.items():
            rows.append(f"{movie.stem}-{part},{part}")
            for kind in ("images", "labels"):
                frames = tifffile.imread(given.data / kind / movie.name)
                cut = frames[round(start * len(frames)) : round(stop * len(frames))]
                folder = given.out / kind
                folder.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(
                    folder / f"{movie.stem}-{part}.tif", cut, metadata={"axes": "TYX"}, imagej=True
                )
    (given.out / "split.csv").write_text("\n".join(rows) + "\n", "utf8")


if __name__ == "__main__":
    main()
