"""Key material of masks, read once at start: `hash` and `noise` are keyed so that nobody can guess.

INVARIANT I8: a key leaves this file only inside a `Secret`, and no error text quotes any of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from policies.secret import Secret
from proxy.runtime.config_model import MaskKey

KEY_FILE_BYTES_MAX = 4_096  # keys have 32 to 64 bytes; whoever names a log file by mistake is told


class MaskKeyError(Exception):
    """A key could not be had. The text names the way, never the content."""


def read_mask_keys(
    keys: Iterable[MaskKey], environment: Mapping[str, str] = os.environ
) -> dict[str, Secret[bytes]]:
    """The keys by name. Raises MaskKeyError for one that is missing, empty, too long, or twice."""
    found: dict[str, Secret[bytes]] = {}
    for key in keys:
        if key.name in found:
            raise MaskKeyError(f"mask key `{key.name}` is given twice")
        found[key.name] = Secret(_material(key, environment))
    return found


def _material(key: MaskKey, environment: Mapping[str, str]) -> bytes:
    if key.file is not None:
        try:
            with key.file.open("rb") as file:
                material = file.read(KEY_FILE_BYTES_MAX + 1)
        except OSError as error:
            raise MaskKeyError(f"mask key `{key.name}`: {key.file}: {error.strerror}") from None
    else:
        text = environment.get(key.environment or "")
        if text is None:
            variable = f"environment variable {key.environment}"
            raise MaskKeyError(f"mask key `{key.name}`: {variable} is not set")
        material = text.encode("utf-8", "surrogateescape")
    material = material.removesuffix(b"\n")
    if not material or len(material) > KEY_FILE_BYTES_MAX:
        raise MaskKeyError(
            f"mask key `{key.name}` is empty or longer than {KEY_FILE_BYTES_MAX} bytes"
        )
    return material
