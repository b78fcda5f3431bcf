"""Is a new model better than the old one?"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from models import bright_model, random_model
from pictures import grid, stain_of
from scipy import stats

from sparcell.cli import main
from sparcell.core.errors import InputError
from sparcell.evaluation.confusion import Confusion
from sparcell.io import write_image
from sparcell.model_choice import compare_models
from sparcell.model_choice.comparison import FEWEST_IMAGES, _compare


def counted(*rows: tuple[int, int, int]) -> dict[str, Confusion]:
    return {f"i{n}": Confusion(*row) for n, row in enumerate(rows)}


def test_a_gain_in_every_image_is_better() -> None:
    old, new = counted(*[(6, 2, 2)] * 6), counted(*[(8, 1, 1)] * 6)
    found = _compare(old, new)
    # 6 / 10 and 8 / 10, in every resample.
    assert (found.old, found.new) == (0.6, 0.8)
    assert np.allclose([found.difference, found.low, found.high], 0.2)
    assert found.verdict == "better" and _compare(new, old).verdict == "worse"
    assert found.sentence == (
        "Better on 6 held-out images. AP50 0.600 of the old model, 0.800 of the new; "
        "difference +0.200, 95 % interval +0.200 to +0.200."
    )
    few = _compare(dict([*old.items()][:5]), dict([*new.items()][:5]))
    assert few.verdict == "no difference shown" and "5 held-out images are too few" in few.sentence
    assert 2 * stats.binomtest(5, 5).pvalue / 2 > 0.05 > stats.binomtest(6, 6).pvalue
    assert FEWEST_IMAGES == 6


def test_the_interval_is_that_of_another_bootstrap() -> None:
    rng = np.random.default_rng(3)
    rows = rng.integers(1, 30, (12, 6))
    old = counted(*map(tuple, rows[:, :3].tolist()))
    new = counted(*map(tuple, rows[:, 3:].tolist()))
    found = _compare(old, new)

    def gain(images: np.ndarray) -> float:
        total = rows[images].sum(0)
        return total[3] / total[3:].sum() - total[0] / total[:3].sum()

    numbers = np.arange(12)
    other = stats.bootstrap(
        (numbers,), gain, vectorized=False, method="percentile", n_resamples=4000, random_state=1
    ).confidence_interval
    assert found.difference == pytest.approx(gain(numbers))
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=0.02)


def test_empty_images_and_the_order_of_images() -> None:
    old = counted((0, 0, 0), (1, 0, 1), (0, 2, 0))
    new = counted((0, 3, 0), (2, 0, 0), (0, 0, 0))
    found = _compare(old, new)
    assert [(one.name, one.old, one.new) for one in found.images] == [
        ("i0", 1, 0), ("i1", 0.5, 1), ("i2", 0, 1)
    ]  # fmt: skip
    assert [one.objects for one in found.images] == [0, 2, 0]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows = ["name,split"]
    for seed in range(7):
        labels = grid((64, 80), 20, 7)
        split = "test" if seed < 6 else "train"
        rows.append(f"f{seed},{split}")
        image = stain_of(labels, noise=5, blur=1, seed=seed)
        write_image(tmp_path / f"data/images/f{seed}.tif", image, "YX")
        write_image(tmp_path / f"data/labels/f{seed}.tif", labels, "YX")
    (tmp_path / "data/split.csv").write_text("\n".join(rows) + "\n")
    bright_model(8.0).save(tmp_path / "good.zip")
    random_model().save(tmp_path / "random.zip")
    return tmp_path / "data"


def test_two_models_on_the_test_images(dataset: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "comparison"
    words = [str(tmp_path / "random.zip"), str(tmp_path / "good.zip"), "--data", str(dataset)]
    with pytest.raises(SystemExit) as end:
        main(["models", "compare", *words, "-o", str(out)])
    assert not end.value.code
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["image", "objects", "old", "new", "difference"]
    assert len(printed) == 8 and printed[-1].startswith("Better on 6 held-out images. ")
    stored = json.loads((out / "comparison.json").read_text())
    assert stored["verdict"] == "better" and len(stored["images"]) == 6
    assert stored["new"] > 0.8 and (out / "new/labels").is_dir()
    assert stored["record"]["settings"]["old"] == words[0]
    with pytest.raises(InputError, match="earlier results"):
        compare_models(words[0], words[1], dataset, out)
    again = compare_models(words[0], words[0], dataset, out, overwrite=True)
    assert again.verdict == "no difference shown" and again.difference == 0


def test_a_dataset_without_test_images(dataset: Path, tmp_path: Path) -> None:
    (dataset / "split.csv").write_text("name,split\nf0,train\n")
    with pytest.raises(InputError, match="no test image with labels"):
        compare_models(tmp_path / "good.zip", tmp_path / "good.zip", dataset, tmp_path / "c")
