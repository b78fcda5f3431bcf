"""Fields and cases of a review session, as ``session.json`` lists them."""

from __future__ import annotations

from pydantic import Field

from sparcell.core.settings import Settings


class ReviewField(Settings, frozen=True, extra="forbid"):
    """An image of the dataset that is reviewed.

    Attributes
    ----------
    name : str
        In the dataset.
    group : str
        Such as the cell line.
    split : str
        ``train``, ``val`` or ``test``.
    sha256 : str
        Of its file.
    """

    name: str
    group: str
    split: str
    sha256: str


class Case(Settings, frozen=True, extra="forbid"):
    """One field with the objects that one model predicts in it: what an expert judges at a time.

    Attributes
    ----------
    id : str
        Says nothing about field and model. ``cases/ID.tif`` has the objects.
    field, model : str
    repeat : int
        0; 1 where the same is shown again, to see whether an expert agrees with himself.
    objects : int
        Ids 1 to `objects`.
    shape : (int, int)
        Height and width, px.
    diameter : float
        Median diameter of the objects, that of a circle of the same area, px; 0 without objects.
    sha256 : str
        Of ``cases/ID.tif``.
    """

    id: str
    field: str
    model: str
    repeat: int = Field(0, ge=0, le=1)
    objects: int = Field(ge=0)
    shape: tuple[int, int]
    diameter: float = Field(ge=0)
    sha256: str
