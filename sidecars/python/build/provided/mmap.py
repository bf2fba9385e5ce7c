"""Stands where a module is that WebAssembly has not got: pandas imports it, programs cannot use it.

This file must not know who imports it.
"""

ACCESS_DEFAULT, ACCESS_READ, ACCESS_WRITE, ACCESS_COPY = 0, 1, 2, 3
PAGESIZE = ALLOCATIONGRANULARITY = 65_536
error = OSError


class mmap:
    """Raises OSError."""

    def __init__(self, *arguments: object, **named: object) -> None:
        raise OSError("mmap: there is no mapped memory here; read the file")
