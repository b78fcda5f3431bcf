"""Parts that are installed only where they are used."""

from __future__ import annotations

from importlib.util import find_spec

from sparcell.core.errors import InputError


def missing_for_training() -> list[str]:
    """Name what training needs and is not installed."""
    return [name for name in ("torch", "lightning", "timm") if find_spec(name) is None]


def need_torch() -> None:
    """Say how to install what training needs.

    Raises
    ------
    InputError
        If it is not there.
    """
    if missing := missing_for_training():
        raise InputError(
            f"no {missing[0]}",
            "the packages that training needs",
            "pip install 'sparcell[train,pretrained]'",
        )
