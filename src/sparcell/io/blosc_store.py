"""A guard for chunks that Blosc would decode without noticing that they are cut short."""

from __future__ import annotations

from typing import Any

from zarr.storage import LocalStore

HEADER_BYTES = 16
METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


class BloscStore(LocalStore):
    """Local store of an array compressed by Blosc, in which incomplete chunks are errors.

    Blosc takes the length of a chunk from its header and reads on where the file has ended, so
    an interrupted copy would give pixels that were never there. Bytes 12 to 15 of the header are
    the compressed length (https://github.com/Blosc/c-blosc, README_CHUNK_FORMAT).
    """

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """Read one key; a chunk must be as long as its header says.

        Raises
        ------
        ValueError
            If it is not.
        """
        value = await super().get(key, prototype, byte_range)
        # A range is part of a shard, whose index keeps the lengths.
        if value is None or byte_range is not None or key.endswith(METADATA):
            return value
        content = value.as_numpy_array()
        if len(content) < HEADER_BYTES or len(content) != int(content[12:16].view("<u4")[0]):
            raise ValueError(f"chunk {key} is incomplete")
        return value
