"""Seen by meson's Python only: pandas asks where numpy's headers are.

This file must not know more.
"""

import os


def get_include() -> str:
    """The folder of the headers of the numpy that was built for the sandbox."""
    return os.environ["RUNNER_NUMPY_HEADERS"]
