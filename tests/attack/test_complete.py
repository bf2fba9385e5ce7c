"""No attack case and no pitfall without a place where it is tried, and no place that does not exist."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.attack.rows import rows

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent
CASES, PITFALLS = 112, 34
ELSEWHERE: dict[str, Any] = yaml.safe_load((FOLDER / "elsewhere.yaml").read_text(encoding="utf-8"))


def numbers_of_rows(kind: str) -> set[int]:
    if kind == "pitfalls":
        return {row.number for row in rows() if row.group == "pitfalls"}
    scripts = (FOLDER / "sessions").glob("*.yaml")
    texts = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in scripts)
    found = {entry["case"] for entries in texts for entry in entries}
    return found | {row.number for row in rows() if row.group not in ("pitfalls", "found")}


@pytest.mark.parametrize(("kind", "count"), [("cases", CASES), ("pitfalls", PITFALLS)])
def test_every_number_has_its_place(kind: str, count: int) -> None:
    tried = numbers_of_rows(kind) | set(ELSEWHERE[kind])

    assert set(range(1, count + 1)) - tried - set(ELSEWHERE["not_yet"][kind]) == set()
    assert set(ELSEWHERE["not_yet"][kind]) & tried == set()


@cache
def functions(path: str) -> set[str]:
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


NAMED = sorted(
    {name for kind in ("cases", "pitfalls") for names in ELSEWHERE[kind].values() for name in names}
)


@pytest.mark.parametrize("name", NAMED)
def test_every_named_test_exists(name: str) -> None:
    path, _, function = name.partition("::")

    assert function in functions(path)
