"""The warning that images show nothing but noise."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sparcell.core.text import counted, listed

logger = logging.getLogger(__name__)


def warn_empty(names: Sequence[str]) -> None:
    """Warn, in one line, of images in which no object stands out from the noise."""
    if not names:
        return
    where = f"{counted(len(names), 'image')} ({listed(names)})"
    logger.warning(
        f"no object stands out from the noise in {where}: the image is empty, or its objects are "
        "too dim"
    )
