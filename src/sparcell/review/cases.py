"""Fields and cases of a review session, as ``session.json`` lists them."""

from __future__ import annotations

from pydantic import Field

from sparcell.core.image import Plane
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
    """One plane of a field with the objects that one model predicts.

    Experts judge one case at a time.

    Attributes
    ----------
    id : str
        Says nothing about field and model. ``cases/ID.tif`` has the objects.
    field, model : str
    t, z : int
        Time point and depth of the plane, from 0. A movie or stack has several planes.
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
    t: int = Field(0, ge=0)
    z: int = Field(0, ge=0)
    repeat: int = Field(0, ge=0, le=1)
    objects: int = Field(ge=0)
    shape: tuple[int, int]
    diameter: float = Field(ge=0)
    sha256: str

    @property
    def plane(self) -> Plane:
        """Time point and depth."""
        return Plane(self.t, self.z)

    @property
    def site(self) -> tuple[str, Plane]:
        """Field and plane, which the cases of all models share."""
        return self.field, self.plane

    @property
    def lot(self) -> tuple[str | int, ...]:
        """Words whose hash decides the order of cases; the first plane adds none."""
        return (self.field, self.model, self.repeat, *(self.plane if any(self.plane) else ()))
