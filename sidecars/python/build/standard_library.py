"""Takes the standard library out of componentize-py: the exact one its CPython was built with.

It lies in the wheel's shared object as a tar archive in a Zstandard frame (RFC 8878 §3.1.1).
This file must not know packages.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
FRAME_BYTES_MAX = 50_000_000
_TAR_MAGIC_AT = 257
_A_FILE_OF_IT = "encodings/__init__.py"


class LibraryMissing(Exception):
    """The shared object holds no standard library: another version of the tool."""


def extract(shared_object: bytes, folder: Path, unpack: Callable[[bytes], bytes | None]) -> None:
    """Write the library's files to `folder`.

    `unpack` gives the content of the frame that a text begins with, None if it is no frame.
    Raises LibraryMissing.
    """
    at = shared_object.find(FRAME_MAGIC)
    while at >= 0:
        content = unpack(shared_object[at : at + FRAME_BYTES_MAX])
        if content is not None and content[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                if _A_FILE_OF_IT in {name.removeprefix("./") for name in archive.getnames()}:
                    archive.extractall(folder, filter="data")
                    return
        at = shared_object.find(FRAME_MAGIC, at + len(FRAME_MAGIC))
    raise LibraryMissing("the tool holds no standard library")
