"""The stand-in can be imported, and says what to do when it is used."""

from __future__ import annotations

import pytest

from sidecars.python.build.provided import mmap


def test_it_cannot_be_used() -> None:
    with pytest.raises(OSError, match="read the file"):
        mmap.mmap(-1, 10, access=mmap.ACCESS_READ)
