"""A tree of values to typed, checked settings, by the classes of `config_model.py`.

This file must not know any setting by name, nor YAML. Every mistake is collected with its file,
line and field, so that one run shows them all.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from pathlib import Path
from typing import Any, Literal

from proxy.runtime.config_setting import Meaning
from proxy.runtime.config_yaml import Listing, Node, Problem, Scalar, Section

_INTEGER = re.compile(r"-?[0-9](?:_?[0-9])*")
_NUMBER = re.compile(r"-?[0-9](?:_?[0-9])*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# What a builder returns where there is no value; never part of a finished configuration.
_MISTAKE: Any = object()


def settings_of(model: type) -> dict[str, tuple[Any, Meaning, object]]:
    """A model's settings by name: type, meaning, default (`dataclasses.MISSING` if required)."""
    hints = typing.get_type_hints(model)
    found: dict[str, tuple[Any, Meaning, object]] = {}
    for field in dataclasses.fields(model):
        meaning = field.metadata.get("meaning")
        if not isinstance(meaning, Meaning):
            continue
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        found[field.name] = (hints[field.name], meaning, default)
    return found


def without_none(hint: Any) -> tuple[Any, bool]:
    """A type without its `| None`, and whether it had one."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        rest = [part for part in typing.get_args(hint) if part is not types.NoneType]
        if len(rest) == 1:
            return rest[0], True
        assert all(map(dataclasses.is_dataclass, rest)), hint
    return hint, False


def variants(kind: Any) -> dict[str, type]:
    """The sections that a setting may be, by what their own `kind` says; {} unless there are
    several."""
    if not isinstance(kind, types.UnionType):
        return {}
    return {
        str(typing.get_args(settings_of(one)["kind"][0])[0]): one for one in typing.get_args(kind)
    }


class Builder:
    """Builds one file's settings. `problems` and `lines` (by dotted field) fill up as it goes."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.lines: dict[str, int] = {}

    def problem(self, line: int, field: str, message: str) -> None:
        """Note one mistake."""
        self.problems.append(Problem(self.file, line, field, message))

    def build(self, model: type, node: Node, field: str = "") -> Any:
        """An instance of `model`, or anything at all if problems were noted."""
        if not isinstance(node, Section):
            self.problem(node.line, field, "must be a section with keys")
            return _MISTAKE
        known = settings_of(model)
        for key in node.entries:
            if key not in known:
                message = "unknown key" + _near_miss(key, list(known))
                self.problem(node.key_lines[key], _join(field, key), message)
        values: dict[str, Any] = {}
        for name, (hint, meaning, default) in known.items():
            place = _join(field, name)
            if name in node.entries:
                self.lines[place] = node.key_lines[name]
                values[name] = self._value(hint, meaning, node.entries[name], place)
            elif default is dataclasses.MISSING:
                self.problem(node.line, place, f"missing, and required: {meaning.text}")
                values[name] = _MISTAKE
        if any(value is _MISTAKE for value in values.values()):
            return _MISTAKE
        built = model(**values)
        check = getattr(built, "check", None)
        mistake = check() if check is not None else None
        if mistake is not None:
            self.problem(node.line, field, mistake)
        return built

    def _value(self, hint: Any, meaning: Meaning, node: Node, field: str) -> Any:
        kind, is_optional = without_none(hint)
        if isinstance(node, Scalar) and node.kind == "nothing":
            if is_optional:
                return None
            self.problem(node.line, field, "has no value")
            return _MISTAKE
        if dataclasses.is_dataclass(kind):
            return self.build(typing.cast(type, kind), node, field)
        if isinstance(kind, types.UnionType):
            return self._variant(variants(kind), node, field)
        if typing.get_origin(kind) is tuple:
            return self._items(typing.get_args(kind)[0], meaning, node, field)
        if not isinstance(node, Scalar):
            self.problem(node.line, field, f"must be {_described(kind)}")
            return _MISTAKE
        value = self._scalar(kind, node, field)
        if value is not _MISTAKE:
            self._check_bounds(value, meaning, node.line, field)
        return value

    def _variant(self, known: dict[str, type], node: Node, field: str) -> Any:
        """One of several sections, as its `kind` says."""
        told = node.entries.get("kind") if isinstance(node, Section) else None
        if isinstance(told, Scalar) and told.text in known:
            return self.build(known[told.text], node, field)
        before = len(self.problems)
        built = self.build(next(iter(known.values())), node, field)
        if isinstance(told, Scalar):  # say all kinds that there are, not the first alone
            message = f"must be one of {', '.join(known)}" + _near_miss(told.text, list(known))
            place = f"{field}.kind"
            self.problems[before:] = [
                Problem(one.file, one.line, place, message) if one.field == place else one
                for one in self.problems[before:]
            ]
        return built

    def _items(self, kind: Any, meaning: Meaning, node: Node, field: str) -> Any:
        if not isinstance(node, Listing):
            self.problem(node.line, field, "must be a list")
            return _MISTAKE
        minimum, maximum = meaning.minimum, meaning.maximum
        if minimum is not None and len(node.items) < minimum:
            self.problem(node.line, field, f"needs at least {minimum:g} of: {meaning.text}")
        if maximum is not None and len(node.items) > maximum:
            self.problem(node.line, field, f"takes at most {maximum:g}")
        items = [
            self._value(kind, Meaning(meaning.text), item, f"{field}[{index}]")
            for index, item in enumerate(node.items)
        ]
        for index, item in enumerate(node.items):
            self.lines[f"{field}[{index}]"] = item.line
        return _MISTAKE if any(item is _MISTAKE for item in items) else tuple(items)

    def _scalar(self, kind: Any, node: Scalar, field: str) -> Any:
        if typing.get_origin(kind) is Literal:
            choices = [str(choice) for choice in typing.get_args(kind)]
            if node.text in choices:
                return node.text
            message = f"must be one of {', '.join(choices)}" + _near_miss(node.text, choices)
            self.problem(node.line, field, message)
            return _MISTAKE
        if kind is str and node.kind == "text" and "\0" not in node.text:
            return node.text
        if kind is Path and node.kind == "text" and node.text and "\0" not in node.text:
            # Relative to the file that names it, wherever the program was started.
            return self.file.parent / Path(node.text).expanduser()
        if kind is bool and node.text in ("true", "false"):
            return node.text == "true"
        if kind is int and _INTEGER.fullmatch(node.text) and len(node.text) < 20:
            return int(node.text)
        if kind is float and _NUMBER.fullmatch(node.text) and len(node.text) < 40:
            value = float(node.text)
            if math.isfinite(value):
                return value
        hint = "; put it in quotes" if kind is str and node.kind != "text" else ""
        self.problem(node.line, field, f"must be {_described(kind)}{hint}")
        return _MISTAKE

    def _check_bounds(self, value: object, meaning: Meaning, line: int, field: str) -> None:
        size = len(value) if isinstance(value, str) else value
        if not isinstance(size, int | float) or isinstance(value, bool):
            return
        what = "characters" if isinstance(value, str) else "as value"
        if meaning.minimum is not None and size < meaning.minimum:
            self.problem(line, field, f"must have at least {meaning.minimum:g} {what}")
        if meaning.maximum is not None and size > meaning.maximum:
            self.problem(line, field, f"must have at most {meaning.maximum:g} {what}")


def _join(field: str, key: str) -> str:
    return f"{field}.{key}" if field else key


def _near_miss(given: str, known: list[str]) -> str:
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def _described(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(str(choice) for choice in typing.get_args(kind))
    names = {str: "text", Path: "a path", bool: "true or false", int: "a whole number"}
    return names.get(kind, "a number")
