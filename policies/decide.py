"""PolicySet: the loaded policy as one pure function from identity and relation to decision.

This file must not know YAML or how rules combine (`combine.py`). It adds what depends on the person
and the moment: missing claims, expiry, time windows, key material. The SQL of a decision is the
same text for the same roles, open windows and policy: claim *values* never enter it, so it can be
cached as text.

INVARIANT I5: deny by default. A relation without a grant for the roles does not exist; a claim that
a decision needs and the identity lacks denies it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from policies.claims import KEY_TYPE, ClaimType, ClaimValue, is_empty
from policies.combine import Applicable, combine
from policies.errors import DeniedReason, PolicyDenied
from policies.identity import ClaimMapping, Identity
from policies.keyed import KeySlot, is_key_slot, slot_value, slots
from policies.mask import HashMask, MaskContext, NoiseMask
from policies.model import ColumnDecision, RelationDecision, RelationKey, VisibleColumn
from policies.rule import TablePolicy, WindowedRule
from policies.secret import Secret
from policies.window import ALWAYS

if TYPE_CHECKING:
    from policies.case import Case

__all__ = ["ColumnDecision", "PolicySet", "RelationDecision", "RelationKey", "VisibleColumn"]

# Decisions remembered per policy: relations × role sets × open windows. Past this the oldest goes.
REMEMBERED_DECISIONS_MAX = 4_096

DecisionKey = tuple[RelationKey, frozenset[str], frozenset[str]]


class PolicySet:
    """A whole policy after loading. Immutable but for a bounded memory of its own answers.

    `version` is a SHA-256 digest of the files; `mapping` makes identities of token payloads;
    `roles` the declared roles with their descriptions; `tables` every relation the policy mentions;
    `cases` the tests written beside the rules.
    """

    def __init__(
        self,
        *,
        version: str,
        mapping: ClaimMapping,
        roles: Mapping[str, str],
        tables: Mapping[RelationKey, TablePolicy],
        mask_order: tuple[str, ...] = (),
        lookups: Mapping[RelationKey, tuple[str, ...]] | None = None,
        keys: Mapping[str, Secret[bytes]] | None = None,
        cases: tuple[Case, ...] = (),
    ) -> None:
        self.version = version
        self.mapping = mapping
        self.roles = MappingProxyType(dict(roles))
        self.tables = MappingProxyType(dict(tables))
        self.mask_order = mask_order
        self.lookups = MappingProxyType(dict(lookups or {}))
        self.cases = cases
        self._keys = dict(keys or {})
        self._slots = {slot.name: slot for slot in _all_slots(tables)}
        self._mentioned = {key: table.mentioned_roles() for key, table in tables.items()}
        self._mentioned_anywhere = frozenset[str]().union(*self._mentioned.values())
        # Most rules have no window; of a thousand, none need be asked for the time.
        self._timed = {key: _timed_rules(table) for key, table in tables.items()}
        self._remembered: OrderedDict[DecisionKey, RelationDecision] = OrderedDict()
        types = {name: source.type for name, source in mapping.claims.items()}
        types.update(dict.fromkeys(self._slots, KEY_TYPE))
        self.claim_types: Mapping[str, ClaimType] = MappingProxyType(types)

    def __repr__(self) -> str:
        return f"PolicySet(version={self.version[:12]!r}, tables={len(self.tables)})"

    def in_order(self, columns: Mapping[RelationKey, Sequence[str]]) -> PolicySet:
        """The same policy with the columns of each table in the order of `columns`, names that it
        lacks after the others. A policy may list them in any order; rows have the table's."""
        tables = {
            key: table.in_order(columns[key]) if key in columns else table
            for key, table in self.tables.items()
        }
        if all(tables[key] is table for key, table in self.tables.items()):
            return self
        return PolicySet(
            version=self.version, mapping=self.mapping, roles=self.roles, tables=tables,
            mask_order=self.mask_order, lookups=self.lookups, keys=self._keys, cases=self.cases,
        )  # fmt: skip

    def relevant_roles(self, roles: frozenset[str]) -> frozenset[str]:
        """The roles among `roles` that any rule mentions: the visibility class of a principal."""
        return roles & self._mentioned_anywhere

    def visible(self, roles: frozenset[str]) -> frozenset[RelationKey]:
        """The relations that exist for these roles, whatever the claims and the time."""
        return frozenset(
            key
            for key, table in self.tables.items()
            if Applicable.select(table, roles).column_names
        )

    def visible_columns(self, roles: frozenset[str], key: RelationKey) -> tuple[VisibleColumn, ...]:
        """The columns of `key` that exist for these roles; empty: the relation does not exist."""
        table = self.tables.get(key)
        if table is None:
            return ()
        return Applicable.select(table, roles).visible_columns(self.mask_order)

    def decision_key(self, identity: Identity, key: RelationKey, now: float) -> DecisionKey:
        """Equal keys give equal text: the relation, the roles that matter, and which of the rules
        with a window are open now."""
        if key not in self.tables:
            return key, frozenset(), frozenset()
        relevant = identity.roles & self._mentioned[key]
        open_now = frozenset(rule.name for rule in self._timed[key] if rule.window.is_open(now))
        return key, relevant, open_now

    def decide(self, identity: Identity, key: RelationKey, now: float) -> RelationDecision:
        """What `identity` gets of relation `key` at `now` (unix seconds).

        Raises PolicyDenied: no rule, a denying rule, a closed time window, a missing claim, an
        expired identity, a key that is not configured.
        """
        if now >= identity.expires_at:
            raise PolicyDenied(DeniedReason.IDENTITY_EXPIRED, "the identity has expired")
        decision = self.preview(identity, key, now)
        for claim in sorted(decision.claims):
            if is_key_slot(claim):
                self._require_claim(identity, claim)
        return decision

    def preview(self, identity: Identity, key: RelationKey, now: float) -> RelationDecision:
        """As `decide`, for looking only: keys may be absent, so the decision may not run."""
        if identity.sources is not None and key.source not in identity.sources:
            raise PolicyDenied(DeniedReason.NO_RULE, "the login is bound to other sources")
        decision = self._decision(self.decision_key(identity, key, now), now)
        for claim in sorted(decision.claims):
            if not is_key_slot(claim):
                self._require_claim(identity, claim)
        return decision

    def _decision(self, decision_key: DecisionKey, now: float) -> RelationDecision:
        key, roles, open_rules = decision_key
        remembered = self._remembered.get(decision_key)
        if remembered is not None and not _has_passed(remembered.valid_until, now):
            return remembered
        table = self.tables.get(key)
        if table is None:
            raise PolicyDenied(DeniedReason.NO_RULE, "no rule names the relation")
        applicable = Applicable.select(table, roles)
        windowed: tuple[WindowedRule, ...] = (*applicable.grants, *applicable.restrictions)
        changes = [rule.window.next_change(now) for rule in windowed]
        decision = combine(
            applicable,
            order=self.mask_order,
            is_open=lambda rule: rule.window == ALWAYS or rule.name in open_rules,
            claim_type=self.claim_types.__getitem__,
            valid_until=min((change for change in changes if change is not None), default=None),
        )
        self._remembered[decision_key] = decision
        while len(self._remembered) > REMEMBERED_DECISIONS_MAX:
            self._remembered.popitem(last=False)
        return decision

    def _require_claim(self, identity: Identity, claim: str) -> None:
        if is_key_slot(claim):
            if self._slots[claim].key not in self._keys:
                raise PolicyDenied(
                    DeniedReason.KEY_UNAVAILABLE,
                    f'the key "{self._slots[claim].key}" is not configured',
                )
        elif is_empty(identity.claims.get(claim)):
            raise PolicyDenied(
                DeniedReason.MISSING_CLAIM, f'the claim "{claim}" is missing', claim=claim
            )

    def claim_value(self, identity: Identity, claim: str) -> ClaimValue:
        """The value of a claim or key slot named in `RelationDecision.claims`.

        A key slot's value is derived key material, as bytea text: it goes into a parameter and
        nowhere else. Raises PolicyDenied as `decide` does.
        """
        self._require_claim(identity, claim)
        slot = self._slots.get(claim)
        return identity.claims[claim] if slot is None else slot_value(self._keys[slot.key], slot)


def _timed_rules(table: TablePolicy) -> tuple[WindowedRule, ...]:
    windowed: tuple[WindowedRule, ...] = (*table.grants, *table.restrictions)
    return tuple(rule for rule in windowed if rule.window != ALWAYS)


def _has_passed(instant: float | None, now: float) -> bool:
    return instant is not None and now >= instant


def _all_slots(tables: Mapping[RelationKey, TablePolicy]) -> list[KeySlot]:
    """Every key slot that a decision of these tables can mention."""
    found: list[KeySlot] = []
    for key, table in tables.items():
        for column, masks in table.masks().items():
            for mask in masks:
                if isinstance(mask, HashMask | NoiseMask):
                    domain = mask.domain_of(MaskContext(key, column))
                    found.extend(slots(mask.key, domain))
    return found
