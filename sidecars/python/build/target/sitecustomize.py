"""Seen by meson's Python only: the paths and the version of the Python that is built for.

This file must not know packages.
"""

import os
import sysconfig

HEADERS = os.environ.get("RUNNER_PYTHON_HEADERS")

if HEADERS:
    schemes = sysconfig._INSTALL_SCHEMES  # type: ignore[attr-defined]
    for scheme in schemes.values():
        scheme.update({key: HEADERS for key in ("include", "platinclude") if key in scheme})
    sysconfig._PY_VERSION_SHORT = "3.14"  # type: ignore[attr-defined]
    sysconfig.get_config_vars().update(
        INCLUDEPY=HEADERS,
        CONFINCLUDEPY=HEADERS,
        LIBPYTHON="",
        py_version_short="3.14",
        py_version_nodot="314",
    )
