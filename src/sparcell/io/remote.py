"""OME-Zarr at network addresses, read by fsspec."""

from __future__ import annotations

import os
from typing import Any

from sparcell.core.errors import InputError

PACKAGES = {"http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "gs": "gcsfs"}
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE")


def open_remote(url: str) -> Any:
    """Open a store at an address for reading; zarr-python reads its chunks on demand.

    S3 is read anonymously, unless the environment has credentials.

    Returns
    -------
    zarr.storage.FsspecStore

    Raises
    ------
    InputError
        If the packages of the extra ``remote`` are not installed.
    """
    scheme = url.partition(":")[0]
    anonymous = scheme == "s3" and not any(name in os.environ for name in CREDENTIALS)
    try:
        from zarr.storage import FsspecStore

        options = {"anon": True} if anonymous else {}
        return FsspecStore.from_url(url, storage_options=options, read_only=True)
    except ImportError as error:
        raise InputError(
            f"{url}, for which {PACKAGES[scheme]} is not installed",
            "what reads addresses",
            "pip install 'sparcell[remote]'"
            + (" gcsfs" if scheme == "gs" else "")
            + ", or download the image",
        ) from error
