"""YAML text to a tree of values that remember their lines. No value is interpreted further.

This file must not know any setting. Aliases, tags and duplicate keys are refused: what the file
says is what stands in it, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

# A configuration of 64 sources has some 30 kB; policies are other files.
FILE_BYTES_MAX = 1024 * 1024
NESTING_DEPTH_MAX = 16

_PREFIX = "tag:yaml.org,2002:"
_KINDS = {
    "str": "text",
    "int": "number",
    "float": "number",
    "bool": "boolean",
    "null": "nothing",
    # YAML 1.1 reads 2024-01-01 as a date; nothing here is one.
    "timestamp": "text",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where, in which field (dotted, `` for the file as a whole), and what to do."""

    file: Path
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.field, self.message) if part)


class ConfigurationError(Exception):
    """The file cannot be used. `problems` in the order of their lines, at least one."""

    def __init__(self, problems: list[Problem]) -> None:
        assert problems
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as written; `kind` is what YAML takes it for: text, number, boolean, nothing."""

    line: int
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A sequence."""

    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with text keys; `key_lines` by key."""

    line: int
    entries: dict[str, Node]
    key_lines: dict[str, int]


Node = Scalar | Listing | Section


def read(file: Path) -> bytes:
    """The bytes of a file.

    Raises ConfigurationError, also for a file that is absent.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        problem = Problem(file, 0, "", f"cannot be read: {error.strerror}")
        raise ConfigurationError([problem]) from None
    if len(content) > FILE_BYTES_MAX:
        raise ConfigurationError([Problem(file, 0, "", f"larger than {FILE_BYTES_MAX} bytes")])
    return content


def parse(content: bytes, file: Path) -> Node:
    """The tree of a YAML text; `file` is for messages. Raises ConfigurationError."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigurationError([Problem(file, line, "", "not UTF-8")]) from None
    try:
        _check_events(text, file)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 0
        raise ConfigurationError(
            [Problem(file, line, "", f"not YAML: {error.problem or error.context}")]
        ) from None
    except yaml.YAMLError as error:
        raise ConfigurationError([Problem(file, 0, "", f"not YAML: {error}")]) from None
    if root is None:
        return Section(1, {}, {})
    problems: list[Problem] = []
    tree = _convert(root, file, "", problems)
    if problems:
        raise ConfigurationError(problems)
    return tree


def _check_events(text: str, file: Path) -> None:
    """Refuse aliases (one line could stand for a million) and depth before anything recurses."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark is not None else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            problem = Problem(file, line, "", "anchors and aliases are not allowed")
            raise ConfigurationError([problem])
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > NESTING_DEPTH_MAX:
            message = f"nested deeper than {NESTING_DEPTH_MAX} levels"
            raise ConfigurationError([Problem(file, line, "", message)])


def _convert(node: yaml.Node, file: Path, field: str, problems: list[Problem]) -> Node:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode) and node.tag == _PREFIX + "map":
        return _section(node, file, field, problems)
    if isinstance(node, yaml.SequenceNode) and node.tag == _PREFIX + "seq":
        items = tuple(
            _convert(item, file, f"{field}[{index}]", problems)
            for index, item in enumerate(node.value)
        )
        return Listing(line, items)
    kind = _KINDS.get(node.tag.removeprefix(_PREFIX))
    if not isinstance(node, yaml.ScalarNode) or kind is None:
        problems.append(Problem(file, line, field, f"the tag {node.tag} is not allowed"))
        return Scalar(line, "", "nothing")
    return Scalar(line, node.value, kind)


def _section(node: yaml.MappingNode, file: Path, field: str, problems: list[Problem]) -> Section:
    section = Section(node.start_mark.line + 1, {}, {})
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            problems.append(Problem(file, line, field, "a key must be text"))
            continue
        key = key_node.value
        path = f"{field}.{key}" if field else key
        if key in section.entries:
            before = section.key_lines[key]
            problems.append(Problem(file, line, path, f"given twice, first in line {before}"))
            continue
        section.entries[key] = _convert(value_node, file, path, problems)
        section.key_lines[key] = line
    return section
