"""YAML as it is read here: lines, kinds, and what is refused before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.runtime.config_yaml import (
    FILE_BYTES_MAX,
    ConfigurationError,
    Listing,
    Problem,
    Scalar,
    Section,
    parse,
    read,
)

FILE = Path("sallyport.yaml")


def test_values_remember_lines_and_kinds() -> None:
    tree = parse(b"a: text\nb:\n  - 1\n  - 2.5\n  - true\n  - ~\n  - '1'\n  - 2024-01-01\n", FILE)
    assert isinstance(tree, Section)
    assert tree.key_lines == {"a": 1, "b": 2}
    items = tree.entries["b"]
    assert isinstance(items, Listing)
    assert [(item.line, item.kind) for item in items.items if isinstance(item, Scalar)] == [
        (3, "number"),
        (4, "number"),
        (5, "boolean"),
        (6, "nothing"),
        (7, "text"),
        (8, "text"),
    ]


@pytest.mark.parametrize("content", [b"", b"# only this\n", b"---\n"])
def test_nothing_is_a_section_without_keys_or_nothing(content: bytes) -> None:
    tree = parse(content, FILE)
    assert isinstance(tree, Section) or (isinstance(tree, Scalar) and tree.kind == "nothing")


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"a: 1\nb: 2\na: 3\n", 3, "first in line 1"),
        (b"a: &x 1\nb: *x\n", 1, "anchors"),
        (b"a: 1\nb: *x\n", 2, "anchors"),
        (b"a: !!python/object/apply:os.system ['id']\n", 1, "tag"),
        (b"a: !secret x\n", 1, "tag"),
        (b"a: !!binary aGk=\n", 1, "tag"),
        (b"a:\n  - 1\n b: 2\n", 3, "not YAML"),
        (b"a: [1\n", 2, "not YAML"),
        (b"a: \x00\n", 0, "not YAML"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        (b"? [a]\n: 1\n", 1, "key must be text"),
        (b"a: " + b"[" * 17 + b"]" * 17 + b"\n", 1, "deeper than 16"),
        (b"a: " + b"[" * 100_000, 1, "deeper than 16"),
        (b"a: 1\n---\nb: 2\n", 2, "not YAML"),
    ],
)
def test_refused(content: bytes, line: int, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(content, FILE)
    assert caught.value.problems[0].line == line
    assert message in caught.value.problems[0].message


def test_a_merge_key_is_an_unknown_key_and_merges_nothing() -> None:
    tree = parse(b"<<: {a: 1}\nb: 2\n", FILE)
    assert isinstance(tree, Section)
    assert set(tree.entries) == {"<<", "b"}


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(ConfigurationError, match="larger than"):
        read(path)


def test_problems_are_sorted_and_printed_with_what_is_known() -> None:
    error = ConfigurationError([Problem(FILE, 9, "b", "bad"), Problem(FILE, 0, "", "worse")])
    assert str(error) == "sallyport.yaml:0: worse\nsallyport.yaml:9: b: bad"
