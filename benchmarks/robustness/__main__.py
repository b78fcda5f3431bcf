"""All tests of the campaign, and one table of them.

python benchmarks/robustness [--size small|middle|full] [--only WORDS] [--seed 0]
[--reproducers FOLDER]
"""

from __future__ import annotations

from attack import run_attacks
from batch import batch
from campaign import run_script
from disk import disk
from downloads import downloads
from fuzz import fuzz
from headers import change_headers
from kill import kill

if __name__ == "__main__":
    run_script(fuzz, change_headers, batch, run_attacks, downloads, disk, kill)
