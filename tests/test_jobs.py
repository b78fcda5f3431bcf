"""Every command of the job pages, run in order in a folder with what the page begins with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bases.pages import ROOT, run_line, shell_lines

from sparcell.annotations.exporting import export_labels
from sparcell.simulation import SimulationSettings, write_dataset

pytestmark = pytest.mark.slow
JOBS = sorted(path.stem for path in (ROOT / "docs" / "jobs").glob("*.md"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("job") / "simulated"
    write_dataset(root, SimulationSettings(size=(256, 256)), 0, train=4, val=1, test=1)
    return root


def prepare(job: str, root: Path) -> None:
    """Write what the user of a page has at the beginning."""
    for name in ("my images", "new images", "other channel", "plate 2"):
        stained = job in ("count-stained-nuclei", "learn-from-points")
        shutil.copytree(root / ("stain" if stained else "images"), name)
    export_labels(root / "truth", Path("clicks"), "points")
    outlines = export_labels(root / "truth", Path("qupath-export"), "geojson")
    for path in sorted(outlines)[5:]:
        # Images without outlines, whose labels come from the stain.
        path.unlink()


@pytest.mark.parametrize("job", JOBS)
def test_commands_of_a_job_run(
    job: str, simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(job, simulated)
    lines = shell_lines(f"docs/jobs/{job}.md", "sparcell")
    assert lines
    for line in lines:
        if job == "learn-from-outlines" and line.startswith("sparcell label"):
            shutil.copytree(simulated / "stain", "mydata/stain")
        run_line(line)
