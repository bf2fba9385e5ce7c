"""Trace ids in comments: read where sqlcommenter writes them, and only well-formed ones."""

from __future__ import annotations

import pytest

from proxy.trace_comment import COMMENT_CHARACTERS_MAX, trace_of

TRACE = "5bd66ef5095369c7b0d1f8f4bd33716a"
TOLD = f"00-{TRACE}-c532cb4098ac3dd2-01"
PARENT = f"traceparent='00-{TRACE}-c532cb4098ac3dd2-01'"


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT 1 /*{PARENT}*/",
        f"SELECT 1 /*{PARENT}*/;\n",
        f"SELECT 1; /*{PARENT}*/",
        f"  /*{PARENT}*/ SELECT 1",
        f"/* {PARENT} */ SELECT 1 /* plain */",
        f"SELECT 1 /*action='%2Fparam*d',{PARENT},tracestate='congo%3Dt61rcWkgMzE'*/",
        f"SELECT 1 /*action='a', {PARENT} , x='y'*/",
        f"SELECT 'é' /*{PARENT}*/",
        f"/*{PARENT}*/",
    ],
)
def test_a_trace_id_is_found(text: str) -> None:
    assert trace_of(text) == TOLD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT 1",
        f"SELECT {PARENT}",
        f"SELECT '/*{PARENT.replace(chr(39), chr(39) * 2)}*/'",
        f"SELECT 1 /*{PARENT}*/ + 1",
        f"SELECT 1 /*x{PARENT}*/",
        f"SELECT 1 /*{PARENT}x*/",
        f"SELECT 1 /*{PARENT[:-1]}*/",
        f"SELECT 1 /*{PARENT.upper()}*/",
        f"SELECT 1 /*{PARENT.replace('00-', 'ff-')}*/",
        f"SELECT 1 /*{PARENT.replace(TRACE, '0' * 32)}*/",
        f"SELECT 1 /*{PARENT.replace('c532cb4098ac3dd2', '0' * 16)}*/",
        f"SELECT 1 /*{PARENT.replace(TRACE, TRACE + 'a')}*/",
        f"SELECT 1 {PARENT}*/",
        f"/*{PARENT}",
    ],
)
def test_what_is_no_trace_of(text: str) -> None:
    assert trace_of(text) is None


def test_a_long_comment_is_not_looked_through() -> None:
    filler = "a" * COMMENT_CHARACTERS_MAX
    assert trace_of(f"SELECT 1 /*a='{filler}',{PARENT}*/") is None
    assert trace_of(f"/*{PARENT},a='{filler}'*/ SELECT 1") is None


def test_of_two_the_last_counts() -> None:
    other = PARENT.replace(TRACE, "a" * 32)
    assert trace_of(f"/*{other}*/ SELECT 1 /*{PARENT}*/") == TOLD
