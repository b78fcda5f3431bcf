"""A page in one file: pictures inside, no network."""

from __future__ import annotations

import base64
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    import jinja2


def render(template: str, **content: Any) -> str:
    """Fill a template of ``templates/``; a name that it lacks is an error."""
    return load_template(template).render(**content)


def load_template(template: str) -> jinja2.Template:
    """Read and compile a template of ``templates/``, once in a process."""
    return _environment().get_template(template)


@cache
def _environment() -> jinja2.Environment:
    """Environment that compiles each template once."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("sparcell.drawing"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )


def embed(picture: bytes, kind: str = "png") -> Markup:
    """Return a picture, a PNG or another `kind` such as ``jpeg``, as an address that holds it."""
    return Markup(f"data:image/{kind};base64,") + base64.b64encode(picture).decode()
