"""A limit that nothing reads is a promise that nobody keeps."""

from __future__ import annotations

import ast
import dataclasses
from functools import cache
from pathlib import Path

import pytest

from proxy import limits
from proxy.limits import SessionLimits

FOLDER = Path(limits.__file__).parent
NOT_OBEYING = {"limits.py", "assembly.py", "config_model.py", "config_build.py"}
"""Where limits are declared and handed on."""


@cache
def names_read() -> set[str]:
    """Every attribute that is read, and every name imported from `proxy.limits`."""
    found: set[str] = set()
    for file in FOLDER.rglob("*.py"):
        if file.name in NOT_OBEYING:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.add(node.attr)
            elif isinstance(node, ast.ImportFrom) and node.module == "proxy.limits":
                found |= {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize(
    "name",
    [
        *(field.name for field in dataclasses.fields(SessionLimits)),
        *(name for name in vars(limits) if name.isupper()),
    ],
)
def test_every_limit_is_obeyed_somewhere(name: str) -> None:
    assert name in names_read()


def test_every_limit_is_explained() -> None:
    body = ast.parse(Path(limits.__file__).read_text(encoding="utf-8")).body
    (made,) = (node for node in body if isinstance(node, ast.ClassDef))
    for block in (body, made.body):
        for node, after in zip(block, [*block[1:], None], strict=True):
            if isinstance(node, ast.AnnAssign | ast.Assign):
                is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                assert is_text, ast.unparse(node)


def test_limits_do_not_change_while_a_session_lives() -> None:
    found = SessionLimits()
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.portals_max = 1  # type: ignore[misc]
