"""The warning that images show nothing but noise."""

from __future__ import annotations

import logging
from collections.abc import Sequence

logger = logging.getLogger(__name__)

NAMED = 3
"""Images that the warning names."""


def warn_empty(names: Sequence[str]) -> None:
    """Warn, in one line, of images in which no object stands out from the noise."""
    if not names:
        return
    named = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
    number = f"{len(names)} images" if len(names) > 1 else "one image"
    logger.warning(
        f"no object stands out from the noise in {number} ({named}): the field is empty, or its "
        "objects are too dim"
    )
