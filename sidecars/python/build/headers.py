"""`pyconfig.h` for the sandbox's Python: its own values under the names of another build's.

The headers come from a native CPython of the same minor version, whose `pyconfig.h` has the sizes
of a 64-bit machine; with it, structures would be laid out wrongly. The values come from the
sysconfig data that the WebAssembly runtime carries. This file must not know packages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# sysconfig keeps no name that begins with an underscore; these the C library's headers ask for.
FEATURES: Mapping[str, object] = {
    "_ALL_SOURCE": 1,
    "_DARWIN_C_SOURCE": 1,
    "_FILE_OFFSET_BITS": 64,
    "_GNU_SOURCE": 1,
    "_LARGEFILE_SOURCE": 1,
    "_NETBSD_SOURCE": 1,
    "_POSIX_C_SOURCE": "200809L",
    "_PYTHONFRAMEWORK": '""',
    "_XOPEN_SOURCE": 700,
    "_XOPEN_SOURCE_EXTENDED": 1,
    "__BSD_VISIBLE": 1,
    "__EXTENSIONS__": 1,
}
_DEFINITION = re.compile(
    r"^(?:#\s*define|/\*\s*#undef|#\s*undef)\s+([A-Za-z]\w*)", re.MULTILINE | re.ASCII
)
_NOT_VALUES = frozenset({"Py_PYCONFIG_H", "STRICT_SYSV_CURSES", "WORDS_BIGENDIAN"})


def pyconfig(native: str, values: Mapping[str, object]) -> str:
    """The text of `pyconfig.h`. `native`: the other build's; `values`: `build_time_vars`."""
    lines = ["#ifndef Py_PYCONFIG_H", "#define Py_PYCONFIG_H"]
    lines += [f"#define {name} {value}" for name, value in FEATURES.items()]
    for name in dict.fromkeys(_DEFINITION.findall(native)):
        if name in _NOT_VALUES or name not in values:
            continue
        value = values[name]
        is_off = value in (0, "0", "")
        lines.append(f"/* #undef {name} */" if is_off else f"#define {name} {value}")
    return "\n".join([*lines, "#endif", ""])
