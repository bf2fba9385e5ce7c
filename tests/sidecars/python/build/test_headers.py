"""`pyconfig.h`: names of one build, values of the other."""

from __future__ import annotations

from sidecars.python.build.headers import pyconfig

NATIVE = """
#define SIZEOF_LONG 8
#define HAVE_FORK 1
/* #undef HAVE_GETPID */
#define ONLY_HERE 1
# define WORDS_BIGENDIAN 1
"""


def test_values_are_the_targets() -> None:
    text = pyconfig(NATIVE, {"SIZEOF_LONG": 4, "HAVE_FORK": 0, "HAVE_GETPID": 1})
    assert "#define SIZEOF_LONG 4\n" in text
    assert "/* #undef HAVE_FORK */\n" in text
    assert "#define HAVE_GETPID 1\n" in text
    assert "ONLY_HERE" not in text
    assert "WORDS_BIGENDIAN" not in text
    assert "#define _GNU_SOURCE 1\n" in text
