"""Small good tables, settings and records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
import yaml
from sample_field import NAMES


def write_point_tables(folder: Path) -> list[Path]:
    tables = {
        "A1.csv": "y,x\n3,4.5\n10,20\n",
        "all.csv": "image,y,x,class\nA1.tif,3,4,a\nB1.tif,10,20,b\nB2,5,5,a\n",
        "B1.tsv": "x\ty\n1,5\t2,5\n10,0\t20,0\n",
        "napari_A1.csv": "index,axis-0,axis-1\n0,3.5,4.5\n1,10,20\n",
        "Results_A1.csv": " ,Area,Mean,X,Y\n1,0,200,4.5,3.5\n2,0,190,20,10\n",
    }
    for name, text in tables.items():
        (folder / name).write_text(text, "utf8")
    pandas.DataFrame({"y": [3.0, 10], "x": [4.5, 20]}).to_excel(folder / "B2.xlsx", index=False)
    return [folder / name for name in (*tables, "B2.xlsx")]


def write_field_tables(folder: Path) -> list[Path]:
    (folder / "split.csv").write_text(
        "name,split,cell\nA1,train,HeLa\nB1,val,HeLa\nB2,test,3T3\n", "utf8"
    )
    (folder / "quality.csv").write_text(
        "name,accepted,reason\nA1,True,\nB1,False,dim\nB2,True,\n", "utf8"
    )
    (folder / "points").mkdir()
    (folder / "points" / "A1.csv").write_text("y,x\n3,4\n10,20\n", "utf8")
    return [folder / name for name in ("split.csv", "quality.csv", "points/A1.csv")]


def write_wells(folder: Path) -> list[Path]:
    rows = {"name": NAMES, "well": ("A1", "B1", "B2"), "tile": (1, 1, 1), "time": (0.0, 0.5, 1.0)}
    table = pandas.DataFrame(rows)
    table.to_csv(folder / "wells.csv", index=False)
    table.to_excel(folder / "wells.xlsx", index=False)
    return [folder / "wells.csv", folder / "wells.xlsx"]


def write_layout(folder: Path) -> list[Path]:
    layout = {
        "images": {"files": "images", "channels": [0], "depths": "max"},
        "labels": "labels/{name}.tif",
    }
    return [_yaml(folder / "dataset.yaml", layout)]


def write_recipe(folder: Path) -> list[Path]:
    recipe = {
        "base": "nuclei-light",
        "description": "a trial",
        "network": {"weights": "none", "decoder": "salomon2023-unet"},
        "data": {"where": {"cell": "HeLa"}},
        "augment": {"rotation": 90, "scale": 0.1},
        "fit": {"epochs": 2, "crop": 64},
    }
    return [_yaml(folder / "mine.yaml", recipe)]


def write_study(folder: Path) -> list[Path]:
    study = {
        "name": "s", "recipes": [{"recipe": "nuclei-light", "label": "a", "set": {"fit.crop": 64}}],
        "budgets": [1, "all"], "seeds": [0, 1], "folds": 3, "limit": {"steps": 5},
    }  # fmt: skip
    return [_yaml(folder / "study.yaml", study)]


def write_record(folder: Path) -> list[Path]:
    """Give the folder the unfinished results of a prediction, written by the command itself."""
    from sparcell.prediction.predict import predict

    predict(
        folder / "model.zip", folder / "images", folder / "out", runtime="onnxruntime", threads=1
    )
    return [folder / "out" / "record.json", folder / "out" / "counts.csv"]


def _yaml(path: Path, content: Any) -> Path:
    path.write_text(yaml.safe_dump(content), "utf8")
    return path
