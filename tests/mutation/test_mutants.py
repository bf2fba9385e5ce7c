"""No mutant is stale: every fragment stands in its file exactly once, and changing it is valid Python."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutation.mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
MUTANTS_MIN = 40


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.path}: {mutant.what}")
def test_the_fragment_stands_once_and_its_replacement_parses(mutant: Mutant) -> None:
    text = (ROOT / mutant.path).read_text(encoding="utf-8")

    assert text.count(mutant.fragment) == 1
    assert mutant.fragment != mutant.replacement
    ast.parse(text.replace(mutant.fragment, mutant.replacement))


def test_every_file_that_guards_has_mutants() -> None:
    covered = {Path(mutant.path).stem for mutant in MUTANTS}

    assert len(MUTANTS) >= MUTANTS_MIN
    assert covered >= {
        "guard", "fence", "safety", "bind", "classify", "verify", "identity", "grouping",
    }  # fmt: skip
