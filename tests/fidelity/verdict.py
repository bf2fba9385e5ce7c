"""Two outcomes of one statement: equal, different by design, refused, or different. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from tests.fidelity.reading import Outcome

REFUSALS = frozenset({"42501", "0A000"})
"""SQLSTATEs by which the gate says that it does not do a thing that the source would do."""

_SYSTEM_COLUMN = re.compile(
    r'column "?(?:\w+\.)?(ctid|xmin|xmax|cmin|cmax|tableoid)"? does not exist'
)
"""What no policy lists does not exist, and no policy can list these."""

SHOWN_CHARACTERS_MAX = 160


class Judgement(StrEnum):
    """What the comparison of one statement found."""

    EQUAL = "equal"
    DESIGNED = "by design"
    REFUSED = "refused"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement with its reason, empty when equal."""

    judgement: Judgement
    reason: str = ""


EQUAL = Verdict(Judgement.EQUAL)


def compare(direct: Outcome, gate: Outcome, *, is_ordered: bool) -> Verdict:
    """Judge what the gate answered by what the source answered. Error texts may differ."""
    if gate.sqlstate is not None:
        if gate.sqlstate == direct.sqlstate:
            return EQUAL
        if gate.sqlstate in REFUSALS or _SYSTEM_COLUMN.search(gate.failure):
            return Verdict(Judgement.REFUSED, f"{gate.sqlstate} {gate.failure}")
    if direct.sqlstate != gate.sqlstate:
        return _different("error", _error(direct), _error(gate))
    if direct.columns != gate.columns:
        return _different("columns", direct.columns, gate.columns)
    if direct.tag != gate.tag:
        return _different("tag", direct.tag, gate.tag)
    if is_ordered and direct.rows != gate.rows:
        position = next(
            (n for n, pair in enumerate(zip(direct.rows, gate.rows, strict=False))
             if pair[0] != pair[1]), 0,
        )  # fmt: skip
        return _different(
            f"row {position + 1}",
            direct.rows[position : position + 1],
            gate.rows[position : position + 1],
        )
    ours, theirs = Counter(direct.rows), Counter(gate.rows)
    if ours != theirs:
        return _different("rows", list(ours - theirs)[:1], list(theirs - ours)[:1])
    return EQUAL


def _error(outcome: Outcome) -> str:
    return "an answer" if outcome.sqlstate is None else f"{outcome.sqlstate} {outcome.failure}"


def _different(what: str, direct: object, gate: object) -> Verdict:
    shown = [str(value)[:SHOWN_CHARACTERS_MAX] for value in (direct, gate)]
    return Verdict(Judgement.DIFFERENT, f"{what}: {shown[0]} directly, {shown[1]} through the gate")
