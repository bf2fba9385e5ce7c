"""The `cases` section: questions to the policy with their answers, written beside the rules.

This file must not know how cases are run (`case.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from policies.case import NOT_STATED, Case, Expectation
from policies.claims import ClaimValue, coerce
from policies.declare import Declarations, relation_key, role_names
from policies.document import Value, near_miss
from policies.errors import ClaimRefused, DeniedReason
from policies.layout import KEYS
from policies.model import RelationKey
from policies.rule import TablePolicy

# Without `now` a case asks at this instant, so that a test never depends on the day it runs.
DEFAULT_NOW = datetime.fromisoformat("2026-01-01T12:00:00+00:00").timestamp()


_REASONS = tuple(reason.value for reason in DeniedReason)


def read_case(
    value: Value, declared: Declarations, tables: Mapping[RelationKey, TablePolicy]
) -> Case | None:
    """One case, or None after a problem."""
    block = value.block(KEYS["case"])
    missing = [key for key in ("case", "table", "expect") if key not in block]
    if missing:
        value.problem(f"needs {', '.join(missing)}")
        return None
    name = block["case"].text()
    value = value.within(f"case {name}")
    table = block["table"].text()
    key = relation_key(block["table"], table, declared.source) if table else None
    if name is None or key is None:
        return None
    if key not in tables:
        known = near_miss(str(key), map(str, tables))
        block["table"].problem(f'table "{table}" is not in the policy', known, is_warning=True)
    roles, claims = _principal(block.get("as"), declared)
    return Case(
        name=name,
        place=value.place,
        key=key,
        roles=roles,
        claims=claims,
        now=_now(block["now"]) if "now" in block else DEFAULT_NOW,
        expectation=_expectation(block["expect"]),
    )


def _principal(
    value: Value | None, declared: Declarations
) -> tuple[frozenset[str], dict[str, ClaimValue]]:
    if value is None:
        return declared.default_roles, {}
    block = value.block(KEYS["case_as"])
    roles = role_names(block["roles"], declared.roles) if "roles" in block else ()
    claims: dict[str, ClaimValue] = {
        name: source.default for name, source in declared.claims.items() if source.default
    }
    for name, item in block["claims"].entries() if "claims" in block else ():
        source = declared.claims.get(name)
        if source is None:
            item.problem(f'claim "{name}" is not declared', near_miss(name, declared.claims))
            continue
        try:
            claims[name] = coerce(name, item.json(), source.type)
        except ClaimRefused as refused:
            item.problem(str(refused))
    return declared.default_roles | frozenset(roles), claims


def _now(value: Value) -> float:
    try:
        found = datetime.fromisoformat(value.text() or "")
    except ValueError:
        found = datetime.min
    if found.tzinfo is None:
        value.problem("expected an instant with its offset, as 2026-01-31T08:00:00+01:00")
        return DEFAULT_NOW
    return found.timestamp()


def _expectation(value: Value) -> Expectation:
    if value.is_text:
        if value.text() != "denied":
            value.problem('expected "denied" or a block', near_miss("denied", ("denied",)))
        return Expectation(denied=True)
    block = value.block(KEYS["case_expect"])
    if not block:
        value.problem("expects nothing")
    denied = block["denied"].json() if "denied" in block else False
    if denied not in (True, False, *_REASONS):
        near = near_miss(str(denied), _REASONS)
        block["denied"].problem(f"is true, false or a reason: {', '.join(_REASONS)}", near)
        denied = True
    masks = _masks(block["masks"]) if "masks" in block else None
    return Expectation(
        denied=denied if isinstance(denied, str) else bool(denied),
        columns=_names(block, "columns"),
        absent=_names(block, "absent"),
        masks=masks,
        row_filter=block["filter"].text() if "filter" in block else None,
        rules=_names(block, "rules"),
        row_limit=_row_limit(block),
    )


def _masks(value: Value) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, item in value.entries():
        if item.is_null:
            # Empty could mean the mask that is called null, or no mask at all.
            item.problem('write clear for no mask, or "null" (quoted) for the mask of that name')
        else:
            found[name] = item.text() or ""
    return found


def _row_limit(block: Mapping[str, Value]) -> int | None:
    if "row_limit" not in block:
        return NOT_STATED
    return None if block["row_limit"].is_null else block["row_limit"].whole(1, 10**12)


def _names(block: Mapping[str, Value], key: str) -> tuple[str, ...] | None:
    return tuple(text for text, _ in block[key].texts()) if key in block else None
