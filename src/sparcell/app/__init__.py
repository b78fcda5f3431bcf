"""A browser app on one's own machine: look at images and results, review them blind, compare.

`serve` starts it. `create_app` makes the server without starting it. Nothing is loaded from
elsewhere, and nothing is sent anywhere.
"""

from sparcell.app.server import create_app
from sparcell.app.start import serve

__all__ = ["create_app", "serve"]
