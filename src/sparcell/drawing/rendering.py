"""A page in one file: pictures inside, no network."""

from __future__ import annotations

import base64
from typing import Any

import jinja2
from markupsafe import Markup


def render(template: str, **content: Any) -> str:
    """Fill a template of ``templates/``; a name that it lacks is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sparcell.drawing"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(**content)


def embed(picture: bytes) -> Markup:
    """Return a PNG as an address that holds it."""
    return Markup("data:image/png;base64,") + base64.b64encode(picture).decode()
