"""The warning that images show nothing but noise."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sparcell.core.text import counted

logger = logging.getLogger(__name__)

NAMED = 3
"""Images that the warning names."""


def warn_empty(names: Sequence[str]) -> None:
    """Warn, in one line, of images in which no object stands out from the noise."""
    if not names:
        return
    named = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
    where = f"{counted(len(names), 'image')} ({named})"
    logger.warning(
        f"no object stands out from the noise in {where}: the field is empty, or its objects are "
        "too dim"
    )
