"""YAML with line numbers: blocks that know their keys, and problems that know their place.

This file must not know what a policy is. Files are composed into PyYAML's node tree, never into
objects: nothing is constructed, scalars stay text until somebody asks for a type, and every node
keeps its line. Duplicate keys, aliases and tags are refused: two readers could understand them
differently, and aliases can grow without limit. Reading goes on after a problem, so that one run
reports all of them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import yaml

from policies.errors import Place, Problem

FILE_BYTES_MAX = 1_048_576
_DEPTH_MAX = 16
PROBLEMS_MAX = 100

_TRUE, _FALSE, _NULL = "true", "false", ("null", "~", "")


@dataclass
class Reporter:
    """Collects problems. `fatal` when one of them prevents loading."""

    problems: list[Problem] = field(default_factory=list)

    def add(
        self,
        place: Place,
        message: str,
        *,
        rule: str | None = None,
        field: str | None = None,
        suggestion: str | None = None,
        is_warning: bool = False,
    ) -> None:
        """Note one problem; past PROBLEMS_MAX the rest is dropped."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(
                Problem(
                    place.file,
                    place.line,
                    message,
                    rule=rule,
                    field=field,
                    suggestion=suggestion,
                    is_warning=is_warning,
                )
            )

    @property
    def is_fatal(self) -> bool:
        """True when something other than a warning was noted."""
        return any(not problem.is_warning for problem in self.problems)


def near_miss(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, or None."""
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return found[0] if found else None


@dataclass(frozen=True)
class Value:
    """One YAML node with the context for its problems: `rule` and dotted `field`."""

    node: yaml.Node
    file: str
    reporter: Reporter = field(repr=False)
    rule: str | None = None
    field: str | None = None

    @property
    def place(self) -> Place:
        """File and line."""
        return Place(self.file, self.node.start_mark.line + 1)

    def problem(
        self, message: str, suggestion: str | None = None, *, is_warning: bool = False
    ) -> None:
        """Note a problem with this value."""
        self.reporter.add(
            self.place,
            message,
            rule=self.rule,
            field=self.field,
            suggestion=suggestion,
            is_warning=is_warning,
        )

    def _inside(self, node: yaml.Node, name: str) -> Value:
        path = f"{self.field}.{name}" if self.field else name
        return Value(node, self.file, self.reporter, self.rule, path)

    def within(self, rule: str) -> Value:
        """The same value, its problems told as part of `rule`; field names start anew."""
        return Value(self.node, self.file, self.reporter, rule, None)

    @property
    def is_null(self) -> bool:
        """True for an empty value, `null` or `~` without quotes."""
        return (
            isinstance(self.node, yaml.ScalarNode)
            and self.node.style is None
            and self.node.value in _NULL
        )

    @property
    def is_text(self) -> bool:
        """True for a scalar."""
        return isinstance(self.node, yaml.ScalarNode)

    def text(self) -> str | None:
        """The scalar as it is written; None, and a problem, for anything else."""
        if isinstance(self.node, yaml.ScalarNode) and not self.is_null:
            return str(self.node.value)
        self.problem("expected text")
        return None

    def whole(self, minimum: int, maximum: int) -> int | None:
        """A whole number in the range; None, and a problem, for anything else."""
        text = self.node.value if isinstance(self.node, yaml.ScalarNode) else ""
        if self._is_plain() and re.fullmatch(r"-?[0-9]{1,18}", str(text)):
            number = int(str(text))
            if minimum <= number <= maximum:
                return number
        self.problem(f"expected a whole number from {minimum} to {maximum}")
        return None

    def _is_plain(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode) and self.node.style is None

    def json(self) -> object:
        """The value as JSON would give it: text, number, boolean, None, list. Problems: None."""
        if isinstance(self.node, yaml.SequenceNode):
            return [item.json() for item in self.items()]
        if not isinstance(self.node, yaml.ScalarNode):
            self.problem("expected a value or a list of values")
            return None
        text = str(self.node.value)
        if not self._is_plain():
            return text
        if self.is_null:
            return None
        if text in (_TRUE, _FALSE):
            return text == _TRUE
        if re.fullmatch(r"-?[0-9]{1,18}", text):
            return int(text)
        return float(text) if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", text) else text

    def items(self) -> list[Value]:
        """The elements of a list; empty, and a problem, for anything else."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.problem("expected a list")
            return []
        return [
            self._inside(node, f"{position}") for position, node in enumerate(self.node.value, 1)
        ]

    def texts(self) -> list[tuple[str, Value]]:
        """A list of texts with their places; duplicates are problems."""
        found: list[tuple[str, Value]] = []
        for item in self.items():
            text = item.text()
            if text is None:
                continue
            if any(text == other for other, _ in found):
                item.problem(f'"{text}" is listed twice')
            found.append((text, item))
        return found

    def entries(self) -> Iterator[tuple[str, Value]]:
        """Key and value of a block with free keys; a problem for anything else."""
        if not isinstance(self.node, yaml.MappingNode):
            self.problem("expected a block of keys and values")
            return
        seen: set[str] = set()
        for key_node, node in self.node.value:
            key = self._inside(key_node, "?").text()
            if key is None:
                continue
            value = self._inside(node, key)
            if key in seen:
                Value(key_node, self.file, self.reporter, self.rule, value.field).problem(
                    f'"{key}" is written twice'
                )
                continue
            seen.add(key)
            yield key, value

    def block(self, keys: Iterable[str]) -> dict[str, Value]:
        """The block's values by key; a key that is not among `keys` is a problem."""
        known = tuple(keys)
        found: dict[str, Value] = {}
        for key, value in self.entries():
            if key in known:
                found[key] = value
            else:
                value.problem(
                    f'"{key}" is not a key here; known: {", ".join(known)}', near_miss(key, known)
                )
        return found


def compose(file: str, text: str, reporter: Reporter) -> Value | None:
    """The document of one file, or None after a problem."""
    if len(text.encode("utf-8", errors="replace")) > FILE_BYTES_MAX:
        reporter.add(Place(file, 0), f"a policy file is at most {FILE_BYTES_MAX} bytes")
        return None
    try:
        _refuse_constructs(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except _Refused as refused:
        reporter.add(Place(file, refused.line), refused.message)
        return None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 0
        reporter.add(
            Place(file, line), f"not YAML: {getattr(error, 'problem', None) or 'unreadable'}"
        )
        return None
    if node is None:
        reporter.add(Place(file, 0), "the file is empty")
        return None
    return Value(node, file, reporter)


class _Refused(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def _refuse_constructs(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark is not None else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Refused(line, "anchors and aliases are not allowed")
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None):
            raise _Refused(line, "tags are not allowed")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEPTH_MAX:
                raise _Refused(line, f"nested deeper than {_DEPTH_MAX}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
