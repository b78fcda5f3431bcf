"""Disks that are full, slow to take files, or not ours: results are whole or not there.

    python benchmarks/robustness/disk.py [--size small] [--only full]

A full disk is a file system in memory of a few MB (Linux, as root), so is one that takes few files.
Limits of the system stand for disks that take no large files and for few open files. After the
failure there is room again, and the command continues to the result of an unbroken one.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from campaign import Campaign, Outcome, Row, Words, run_process, run_script, spell
from kill import LONGEST, TINY_SET, write_inputs
from results import compare, leftovers

COMMANDS: dict[str, tuple[Words, Words]] = {
    "predict": (("predict", "nuclei", "d", "-o", "disk/out"), ("--resume",)),
    "blocks": (
        ("predict", "nuclei", "big.ome.zarr", "--block", "192", "--zarr", "-o", "disk/out"),
        ("--resume",),
    ),
    "label": (("label", "d", "-o", "disk/out"), ("--overwrite",)),
    "measure": (("measure", "d/truth", "--images", "d/images", "-o", "disk/out"), ()),
    "export": (("export", "d/truth", "-o", "disk/out", "--format", "geojson"), ()),
    "simulate": (("simulate", "disk/out", "--size", "128"), ()),
    "train": (
        ("train", "salomon2023-unet", "--data", "d", "-o", "disk/out", *TINY_SET),
        ("--resume",),
    ),
}
"""Commands and the words that continue them."""
SLOW = ("train", "blocks")
NOBODY = 65534


def disk(campaign: Campaign, work: Path) -> None:
    """Try all commands on all bad disks."""
    inputs = work / "inputs"
    write_inputs(inputs)
    commands = [name for name in COMMANDS if campaign.size != "small" or name not in SLOW]
    _full_disks(campaign, work, commands)
    _limits(campaign, work, commands)
    _rights(campaign, work, commands)


def _folder(work: Path, name: str) -> Path:
    folder = work / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(work / "inputs", folder)
    (folder / "disk").mkdir()
    return folder


def _unbroken(work: Path, name: str) -> Path:
    """Results of a command that nothing stops, made once."""
    folder = work / f"unbroken-{name}"
    if not folder.exists():
        outcome = run_process(_folder(work, folder.name), *COMMANDS[name][0], seconds=LONGEST)
        if outcome.code:
            raise RuntimeError(f"{name}, on a good disk: {outcome}")
    return folder / "disk" / "out"


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    """Mount a file system in memory."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _full_disks(campaign: Campaign, work: Path, commands: Sequence[str]) -> None:
    few = campaign.count(1, 2, 4)
    sizes = [f"size={kib}k" for kib in (64, 16, 256, 1024)][:few]
    tests = {"full disk": sizes, "few files": [f"nr_inodes={n}" for n in (8, 4, 12, 20)][:few]}
    for test, options in tests.items():
        if os.name != "posix" or os.geteuid() or not shutil.which("mount"):
            campaign.skip(test, "needs Linux and root")
        elif row := campaign.row(test):
            for name in commands:
                for option in options:
                    _fill(campaign, row, work, name, option)


def _fill(campaign: Campaign, row: Row, work: Path, name: str, option: str) -> None:
    words, again = COMMANDS[name]
    expected = _unbroken(work, name)
    folder = _folder(work, "full")
    with _mounted(folder / "disk", option):
        outcome = run_process(folder, *words, seconds=LONGEST)
        problem = outcome.problem() or leftovers(folder / "disk")
        if not problem:
            limit = option.split("=")[0]
            room = f"remount,{limit}={'1g' if limit == 'size' else 100000}"
            subprocess.run(["mount", "-o", room, folder / "disk"], check=True)
            problem = _continue(folder, words, again, outcome) or compare(
                expected, folder / "disk" / "out"
            )
    command = f"mount -t tmpfs -o {option} tmpfs disk && {spell(words)}"
    campaign.judge(row, problem, command, folder)


def _continue(folder: Path, words: Words, again: Words, failed: Outcome) -> str:
    """Run a command again, now that there is room; say what is wrong with it."""
    if not failed.code:
        return ""
    out = folder / "disk" / "out"
    begun = out.exists() and any(out.iterdir())
    if begun and not again:
        shutil.rmtree(out)
    outcome = run_process(folder, *words, *(again if begun else ()), seconds=LONGEST)
    return outcome.problem({0}) and f"afterwards: {outcome.problem({0})}"


def _limit(kind: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (value, value))


def _limits(campaign: Campaign, work: Path, commands: Sequence[str]) -> None:
    tests = {
        "largest file": (resource.RLIMIT_FSIZE, "-f", (16 << 10, 4 << 10, 64 << 10, 1 << 20)),
        "open files": (resource.RLIMIT_NOFILE, "-n", (40, 64, 24, 128)),
    }
    for test, (kind, flag, values) in tests.items():
        if not (row := campaign.row(f"limit: {test}")):
            continue
        for name in commands:
            for value in values[: campaign.count(1, 2, 4)]:
                folder = _folder(work, "limited")
                words = COMMANDS[name][0]
                outcome = run_process(
                    folder, *words, seconds=LONGEST, preexec_fn=_limit(kind, value)
                )
                problem = outcome.problem() or leftovers(folder)
                shown = value // 1024 if flag == "-f" else value
                campaign.judge(row, problem, f"ulimit {flag} {shown}; {spell(words)}", folder)


def _rights(campaign: Campaign, work: Path, commands: Sequence[str]) -> None:
    """Let a user without rights write into a folder, and read inputs, that are not his."""
    if os.name != "posix" or os.geteuid():
        campaign.skip("rights", "needs root, to become another user")
        return
    try:
        subprocess.run([sys.executable, "-c", ""], user=NOBODY, group=NOBODY, check=True)
    except (OSError, subprocess.CalledProcessError):
        campaign.skip("rights", f"another user cannot run {sys.executable}")
        return
    if not (row := campaign.row("rights")):
        return
    cases = {"chmod a-w disk": "disk", "chmod a-rx d/images": "d/images", "chmod a-r d": "d"}
    os.chmod(work, 0o755)  # noqa: PTH101
    for name in commands:
        for how, place in cases.items():
            folder = _folder(work, "forbidden")
            for path in (folder, *folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
            (folder / place).chmod(0o500 if place == "disk" else 0o000 if "/" in place else 0o300)
            words = COMMANDS[name][0]
            home = {**os.environ, "HOME": str(folder)}
            outcome = run_process(
                folder, *words, seconds=LONGEST, user=NOBODY, group=NOBODY, env=home
            )
            (folder / place).chmod(0o755)
            campaign.judge(
                row, outcome.problem() or leftovers(folder), f"{how}; {spell(words)}", folder
            )


if __name__ == "__main__":
    run_script(disk)
