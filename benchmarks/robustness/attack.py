"""Hostile files: models, YAML, archives, pickles, images and annotations made to do harm.

    python benchmarks/robustness/attack.py [--size small] [--only pickle]

Each attack survives if its command ends in a result or a plain line, within limits of time and
memory, and neither runs code nor reads, changes or removes anything outside of its folder.
"""

from __future__ import annotations

from pathlib import Path

import attack_annotations  # noqa: F401
import attack_folders  # noqa: F401
import attack_images  # noqa: F401
import attack_models  # noqa: F401
from attacks import ATTACKS, EXECUTED, VICTIM
from campaign import Campaign, load_libraries, run_forked, run_script, spell
from sample_field import write_base

ELSEWHERE = Path("/tmp") / EXECUTED


def run_attacks(campaign: Campaign, work: Path) -> None:
    """Try every attack once; there is nothing random in them."""
    load_libraries()
    ELSEWHERE.unlink(missing_ok=True)
    for test in dict.fromkeys(attack.test for attack in ATTACKS):
        if not (row := campaign.row(f"attack by {test}")):
            continue
        for one in (attack for attack in ATTACKS if attack.test == test):
            place = work / one.name.replace(" ", "-")
            folder = place / "here"
            write_base(folder)
            victim = place / VICTIM
            victim.parent.mkdir()
            victim.write_text("precious")
            commands = one.make(folder)
            outcome = run_forked(folder, commands)
            problem = outcome.problem() or _harm(place)
            campaign.judge(row, problem, f"{spell(*commands)}  # {one.name}")


def _harm(place: Path) -> str:
    """Say what an attack has done outside of its folder, or by code; "" if nothing."""
    if not (place / VICTIM).is_file() or (place / VICTIM).read_text() != "precious":
        return "a file outside of the folder was changed"
    if ELSEWHERE.exists() or list(place.rglob(f"{EXECUTED}*")):
        ELSEWHERE.unlink(missing_ok=True)
        return "code in a file was executed, or a file was written outside of the folder"
    if "precious" in "".join(
        path.read_text("latin1")
        for path in (place / "here").rglob("*.csv")
        if path.is_file() and not path.is_symlink()
    ):
        return "a file outside of the folder was read"
    return ""


if __name__ == "__main__":
    run_script(run_attacks)
