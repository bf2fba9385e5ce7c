"""What can be said about a decision: to the audit log, to the operator, to the principal.

This file must not know how a decision is made or where a record is written. Two readers are kept
apart: the operator may see every rule and why something is hidden; a principal sees only what
exists for them, and conditions by the names of their rules (a condition's text may name hidden
columns).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from policies.case import readable
from policies.combine import Applicable
from policies.decide import PolicySet
from policies.errors import PolicyDenied
from policies.identity import Identity
from policies.model import RelationDecision, RelationKey
from policies.rule import Denial, Grant, Restriction, TablePolicy, WindowedRule

CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision as the audit log keeps it. No claim values: `claims_digest` stands for them."""

    subject: str
    actor: str | None
    issuer: str
    roles: tuple[str, ...]
    claims_digest: str
    policy_version: str
    relation: str
    verdict: str
    reason: str | None = None
    rules: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    masks: tuple[tuple[str, str], ...] = ()
    row_filter: str | None = None

    def to_json(self) -> dict[str, object]:
        """The record as JSON types."""
        content: dict[str, object] = asdict(self)
        content["masks"] = dict(self.masks)
        return content


def record(
    policies: PolicySet,
    identity: Identity,
    key: RelationKey,
    outcome: RelationDecision | PolicyDenied,
) -> DecisionRecord:
    """The record of `outcome`, whichever it was."""
    is_denied = isinstance(outcome, PolicyDenied)
    decision = None if isinstance(outcome, PolicyDenied) else outcome
    columns = decision.columns if decision else ()
    denied_by = outcome.rule if isinstance(outcome, PolicyDenied) else None
    return DecisionRecord(
        subject=identity.subject,
        actor=identity.actor,
        issuer=identity.issuer,
        roles=tuple(sorted(identity.roles)),
        claims_digest=identity.claims_digest,
        policy_version=policies.version,
        relation=str(key),
        verdict="denied" if is_denied else "granted",
        reason=outcome.reason.value if isinstance(outcome, PolicyDenied) else None,
        rules=decision.rules if decision else tuple(filter(None, [denied_by])),
        columns=tuple(column.name for column in columns),
        masks=tuple((column.name, column.mask) for column in columns if column.mask),
        row_filter=decision.row_filter if decision else None,
    )


@dataclass(frozen=True, slots=True)
class RuleNote:
    """One rule in an explanation: `verdict` says whether it applied and why not."""

    name: str
    effect: str
    verdict: str
    condition: str


@dataclass(frozen=True, slots=True)
class ColumnNote:
    """One column: `shown` is `clear`, `masked by …` or `absent`, with the reason."""

    name: str
    shown: str
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything the operator may know about one relation and one principal."""

    relation: str
    verdict: str
    rules: tuple[RuleNote, ...]
    columns: tuple[ColumnNote, ...]
    row_filter: str | None = None
    row_limit: int | None = None
    byte_limit: int | None = None

    def to_json(self) -> dict[str, object]:
        """The explanation as JSON types."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The explanation as text, one fact per line."""
        found = [f"{self.relation}: {self.verdict}"]
        for rule in self.rules:
            found.append(f"  {rule.effect} {rule.name}: {rule.verdict}")
            if rule.condition != "true":
                found.append(f"      where {rule.condition}")
        if self.row_filter is not None:
            found.append(f"  rows: {self.row_filter}")
        found.extend(f"  column {note.name}: {note.shown}" for note in self.columns)
        for name, limit in (("rows", self.row_limit), ("bytes", self.byte_limit)):
            if limit is not None:
                found.append(f"  at most {limit} {name}")
        return found


def explain(
    policies: PolicySet,
    identity: Identity,
    key: RelationKey,
    now: float,
    live_columns: Sequence[str] = (),
) -> Explanation:
    """Why `identity` sees what they see of `key` at `now`; never raises for a denial.

    For operators only. `live_columns`: the columns that exist at the source, to tell of unlisted
    ones.
    """
    table = policies.tables.get(key)
    if table is None:
        suggestion = "no table of this name in the policy, so it does not exist for anybody"
        return Explanation(str(key), suggestion, (), ())
    rules = tuple(_rule_note(rule, identity.roles, now) for rule in table.rules)
    try:
        decision = policies.preview(identity, key, now)
    except PolicyDenied as denied:
        rule = f" (rule {denied.rule})" if denied.rule else ""
        return Explanation(str(key), f"denied, {denied.reason.value}: {denied}{rule}", rules, ())
    return Explanation(
        relation=str(key),
        verdict=f"granted by {', '.join(decision.rules)}",
        rules=rules,
        columns=_column_notes(table, identity.roles, decision, live_columns),
        row_filter=readable(decision.row_filter),
        row_limit=decision.row_limit,
        byte_limit=decision.byte_limit,
    )


def _rule_note(rule: Grant | Restriction | Denial, roles: frozenset[str], now: float) -> RuleNote:
    if not rule.applies_to(roles):
        verdict = f"not applied: for roles {', '.join(sorted(rule.roles or ()))}"
    elif isinstance(rule, WindowedRule) and not rule.window.is_open(now):
        verdict = "not open now: outside its time window"
    else:
        verdict = "applied"
    return RuleNote(rule.name, rule.effect, verdict, rule.where.text)


def _column_notes(
    table: TablePolicy,
    roles: frozenset[str],
    decision: RelationDecision,
    live_columns: Sequence[str],
) -> tuple[ColumnNote, ...]:
    decided = {column.name: column for column in decision.columns}
    names = dict.fromkeys((*table.columns, *sorted(table.absent), *live_columns))
    notes = []
    for name in names:
        column = decided.get(name)
        if column is None:
            notes.append(ColumnNote(name, f"absent: {_why_absent(table, roles, name)}"))
        elif column.mask is None:
            notes.append(ColumnNote(name, CLEAR))
        else:
            expression = readable(column.expression or name)
            shown = f"masked by {column.mask}"
            if expression.startswith("CASE") and f"THEN {name}" in expression:
                shown += " unless a grant that admits the row shows it"
            notes.append(ColumnNote(name, shown, expression))
    return tuple(notes)


def _why_absent(table: TablePolicy, roles: frozenset[str], name: str) -> str:
    if name in table.absent:
        return "listed as absent"
    if name not in table.columns:
        return "not listed in the policy"
    applicable = Applicable.select(table, roles)
    for denial in applicable.denials:
        if name in denial.columns:
            return f"denied by {denial.name}"
    return "no grant of these roles lists it"


def describe(policies: PolicySet, roles: frozenset[str]) -> Mapping[str, object]:
    """What exists for a set of roles, as a principal may read it: names, comments, mask names."""
    relations = []
    for key in sorted(policies.visible(roles)):
        table = policies.tables[key]
        applicable = Applicable.select(table, roles)
        columns = []
        for name in applicable.column_names:
            mask = applicable.mask_of(name, policies.mask_order)
            columns.append(
                {
                    "name": name,
                    "comment": table.columns[name].comment,
                    "mask": mask.name if mask else None,
                    "type": mask.type_name if mask else None,
                }
            )
        relations.append({"relation": str(key), "comment": table.comment, "columns": columns})
    return {"policy_version": policies.version, "relations": relations}
