"""Building typed settings from a tree, on a model of its own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from proxy.runtime.config_build import Builder, settings_of, without_none
from proxy.runtime.config_model import setting
from proxy.runtime.config_yaml import parse

FILE = Path("/etc/example/file.yaml")


@dataclass(frozen=True, slots=True)
class Inner:
    size: int = setting("a size", default=3, minimum=1, maximum=9)

    def check(self) -> str | None:
        return "seven is unlucky" if self.size == 7 else None


@dataclass(frozen=True, slots=True)
class Outer:
    name: str = setting("a name")
    inner: Inner = setting("a section", default=Inner())  # noqa: RUF009
    many: tuple[Inner, ...] = setting("sections", default=(), maximum=2)
    path: Path | None = setting("a path", default=None)  # noqa: RUF009
    ratio: float = setting("a ratio", default=0.5)
    flag: bool = setting("a flag", default=False)
    choice: Literal["a", "b"] = setting("a choice", default="a")
    internal: int = 0


def _build(text: str) -> tuple[Any, Builder]:
    builder = Builder(FILE)
    return builder.build(Outer, parse(text.encode(), FILE)), builder


def test_defaults_and_values() -> None:
    built, builder = _build(
        "name: x\nmany: [{size: 4}, {}]\npath: a/b\nratio: 2\nflag: true\nchoice: b"
    )
    assert builder.problems == []
    assert built == Outer(
        "x", Inner(), (Inner(4), Inner()), Path("/etc/example/a/b"), 2.0, True, "b"
    )
    assert builder.lines["many[1]"] == 2


def test_an_absolute_path_stays() -> None:
    assert _build("name: x\npath: /a")[0].path == Path("/a")


def test_what_is_no_setting_cannot_be_set() -> None:
    _, builder = _build("name: x\ninternal: 1")
    assert [problem.field for problem in builder.problems] == ["internal"]


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("name: x\ninner: {size: 7}", "inner", "unlucky"),
        ("name: x\nmany: [{size: 1}, {size: 7}]", "many[1]", "unlucky"),
        ("name: x\nmany: [{}, {}, {}]", "many", "at most 2"),
        ("name: x\nmany: [{size: 10}]", "many[0].size", "at most 9"),
        ("name: x\nmany: [3]", "many[0]", "section"),
        ("name: x\nratio: abc", "ratio", "a number"),
        ("name: x\nratio: 1e999", "ratio", "a number"),
        ("name: x\nratio: .nan", "ratio", "a number"),
        ("name: x\ninner: {size: 0x3}", "inner.size", "whole number"),
        ("name: x\ninner: {size: 1:30}", "inner.size", "whole number"),
        ("name: x\nflag: on", "flag", "true or false"),
        ("name: x\nflag: 1", "flag", "true or false"),
        ("name: x\npath: ''", "path", "a path"),
        ('name: "a\\0b"', "name", "text"),
        ("- a", "", "section"),
    ],
)
def test_mistakes(text: str, field: str, message: str) -> None:
    _, builder = _build(text)
    [problem] = builder.problems
    assert problem.field == field
    assert message in problem.message


def test_settings_of_a_model() -> None:
    found = settings_of(Outer)
    assert list(found) == ["name", "inner", "many", "path", "ratio", "flag", "choice"]
    assert found["name"][2] is dataclasses.MISSING
    assert found["inner"][2] == Inner()


def test_without_none() -> None:
    assert without_none(int | None) == (int, True)
    assert without_none(int) == (int, False)
