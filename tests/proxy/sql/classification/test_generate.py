"""The committed data is what the rules make of the live servers, today."""

from __future__ import annotations

import pytest

from proxy.sql.classification import generate
from proxy.sql.classification.verdict import Kind
from tests.proxy.sql.classification import regenerate

FILES = ("functions.tsv", "operators.tsv", "types.tsv", "reasons.tsv")


def function(
    name: str, arguments: tuple[str, ...], result: str, volatility: str
) -> generate.Function:
    """One overload as a server might describe it."""
    return generate.Function(
        "pg_catalog", name, arguments, 0, False, result, False, "f", volatility, (), [16]
    )


@pytest.mark.parametrize("file", FILES)
def test_the_committed_file_is_up_to_date(snapshots: list[generate.Snapshot], file: str) -> None:
    committed = (regenerate.DATA / file).read_text(encoding="utf-8")
    assert committed == generate.files(snapshots)[file], (
        "run python -m tests.proxy.sql.classification.regenerate and read the diff"
    )


def test_a_function_that_nobody_reviewed_is_refused_unless_immutable() -> None:
    assert generate.judge_function(function("brand_new", ("text",), "text", "s")) == (
        Kind.REFUSED,
        "unreviewed",
    )
    assert generate.judge_function(function("brand_new", ("text",), "text", "v"))[0] is Kind.REFUSED
    assert generate.judge_function(function("brand_new", ("text",), "text", "i"))[0] is Kind.ALLOWED


@pytest.mark.parametrize("type_name", ["internal", "cstring", "cstring[]", "trigger", "xml", "xid"])
@pytest.mark.parametrize("place", ["argument", "result"])
def test_immutable_is_not_enough_with_an_inner_type(type_name: str, place: str) -> None:
    arguments = (type_name,) if place == "argument" else ("text",)
    result = type_name if place == "result" else "text"
    judged = generate.judge_function(function("brand_new", arguments, result, "i"))
    assert judged[0] is Kind.REFUSED


def test_an_unknown_type_is_refused() -> None:
    assert generate.judge_type("brand_new", "b")[0] is Kind.REFUSED


def test_the_strictest_volatility_of_any_version_counts() -> None:
    row = ["pg_catalog", "brand_new", ["text"], 0, False, "text", False, "f", "s", []]
    newer = [*row[:8], "i", []]
    snapshots = [generate.Snapshot(14, [row], [], []), generate.Snapshot(18, [newer], [], [])]
    (found,) = generate.functions(snapshots).values()
    assert (found.volatility, found.majors) == ("s", [14, 18])
