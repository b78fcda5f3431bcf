"""Print the oldest versions that pyproject.toml allows, as constraints of pip.

Arguments name extras. Each lower bound of theirs and of the core dependencies gives one line,
``name==version``.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def oldest_versions(extras: list[str]) -> list[str]:
    """Turn each lower bound, such as ``zarr>=3``, into ``zarr==3``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    requirements = list(project["dependencies"])
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    bounded = [re.match(r"([\w.-]+)(?:\[[^]]*\])?>=([\d.]+)", text) for text in requirements]
    return sorted({f"{match[1]}=={match[2]}" for match in bounded if match})


if __name__ == "__main__":
    print("\n".join(oldest_versions(sys.argv[1:])))
