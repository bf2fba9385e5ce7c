"""YAML with lines: what is refused before anything is understood."""

from __future__ import annotations

import pytest

from policies.document import PROBLEMS_MAX, Reporter, Value, compose, near_miss
from policies.errors import Place

BOMB = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(9))

REFUSED: list[tuple[str, int, str]] = [
    (BOMB, 1, "anchors and aliases"),
    ("a: 1\nb: *c\n", 2, "anchors and aliases"),
    ("a: !!python/object/apply:os.system [x]\n", 1, "tags"),
    ("a: !own x\n", 1, "tags"),
    ("a: [\n", 2, "not YAML"),
    ("a: b: c\n", 1, "not YAML"),
    ("\ta: 1\n", 1, "not YAML"),
    ("a: 1\n---\nb: 2\n", 2, "not YAML"),
    ("a: \x01\n", 0, "not YAML"),
    ("[" * 50 + "]" * 50, 1, "nested deeper"),
    ("", 0, "empty"),
]


@pytest.mark.parametrize(("text", "line", "message"), REFUSED)
def test_refused_documents(text: str, line: int, message: str) -> None:
    reporter = Reporter()
    assert compose("p.yaml", text, reporter) is None
    (problem,) = reporter.problems
    assert message in problem.message
    assert problem.line == line


def value(text: str) -> Value:
    found = compose("p.yaml", text, Reporter())
    assert found is not None
    return found


def messages(of: Value) -> list[str]:
    return [problem.message for problem in of.reporter.problems]


def test_duplicate_keys_are_told_with_their_line() -> None:
    block = value("a: 1\nb: 2\na: 3\n")
    assert [key for key, _ in block.entries()] == ["a", "b"]
    (problem,) = block.reporter.problems
    assert (problem.line, problem.message) == (3, '"a" is written twice')


def test_unknown_keys_suggest_the_near_miss() -> None:
    block = value("wehre: 1\n")
    assert block.block(("where", "roles")) == {}
    assert block.reporter.problems[0].suggestion == "where"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x", "x"),
        ("'7'", "7"),
        ("7", 7),
        ("-7", -7),
        ("1.5", 1.5),
        ("true", True),
        ("null", None),
        ("~", None),
        ("'null'", "null"),
        ("yes", "yes"),
        ("0x10", "0x10"),
        ("2025-01-01", "2025-01-01"),
        ("9999999999999999999999", "9999999999999999999999"),
        ("[1, a, [b]]", [1, "a", ["b"]]),
    ],
)
def test_scalars_are_what_json_would_give(text: str, found: object) -> None:
    assert value(text).json() == found


@pytest.mark.parametrize("text", ["x", "1.0", "'5'", "11", "0", "[5]", "5_0", "1e1", "٥"])
def test_whole_numbers(text: str) -> None:
    refused = value(text)
    assert refused.whole(1, 10) is None
    assert messages(refused) == ["expected a whole number from 1 to 10"]
    assert value("5").whole(1, 10) == 5


def test_lists_of_text() -> None:
    listed = value("[a, b, a, {c: d}]")
    assert [text for text, _ in listed.texts()] == ["a", "b", "a"]
    assert messages(listed) == ['"a" is listed twice', "expected text"]
    assert value("a").texts() == []
    assert list(value("a").entries()) == []


def test_places_and_fields() -> None:
    block = value("a:\n  b:\n    - x\n    - y\n")
    ((_, a),) = block.entries()
    ((_, b),) = a.entries()
    second = b.items()[1]
    assert second.place == Place("p.yaml", 4)
    assert second.field == "a.b.2"
    assert second.within("rule").field is None


def test_problems_are_bounded() -> None:
    reporter = Reporter()
    for line in range(PROBLEMS_MAX * 2):
        reporter.add(Place("p", line), "x", is_warning=True)
    assert len(reporter.problems) == PROBLEMS_MAX
    assert not reporter.is_fatal


def test_near_miss() -> None:
    assert near_miss("tennant", ["tenant", "region"]) == "tenant"
    assert near_miss("zzz", ["tenant", "region"]) is None


def test_the_repr_shows_no_reporter() -> None:
    assert "Reporter" not in repr(value("a: 1"))
