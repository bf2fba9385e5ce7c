"""The declarations of a policy: roles, claims, lookup tables, keys, masks, tags.

This file must not know tables and rules. What is declared here is what rules may mention;
everything else is refused with the near miss. Declarations of several files are merged; a name is
declared once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.claims import ClaimType, coerce
from policies.document import Value, near_miss
from policies.errors import ClaimRefused
from policies.identity import ClaimLookup, ClaimMapping, ClaimSource, check_pointer
from policies.layout import KEYS
from policies.mask import Mask
from policies.mask_block import BUILT_IN, MaskReader
from policies.model import RelationKey
from policies.predicate import Scope

# Names travel through YAML, SQL, logs and metrics: letters, digits, and what directories use in
# groups.
_CLAIM_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@ -]{0,126}")
# A part of a relation's name, and the parts with their dots: what they do not cover is no name.
_PART = re.compile(r'"(?:[^"]|"")+"|[^."][^.]*')
_DOTTED = re.compile(r'(?:^|(?<=.)\.)(?:"(?:[^"]|"")+"(?=\.|$)|[^."][^.]*)', re.DOTALL)
IDENTIFIER_BYTES_MAX = 63  # PostgreSQL: NAMEDATALEN - 1

_IDENTITY_FIELDS = ("subject", "actor", "issuer")


@dataclass
class Declarations:
    """Everything declared so far, from all files."""

    source: str = "main"
    roles: dict[str, str] = field(default_factory=dict)
    roles_pointer: str = "/roles"
    default_roles: frozenset[str] = frozenset()
    claims: dict[str, ClaimSource] = field(default_factory=dict)
    purpose_claim: str | None = None
    keys: set[str] = field(default_factory=set)
    lookups: dict[RelationKey, tuple[str, ...]] = field(default_factory=dict)
    masks: dict[str, Mask] = field(default_factory=lambda: dict(BUILT_IN))
    mask_order: tuple[str, ...] = ()
    tags: dict[str, Mask | None] = field(default_factory=dict)

    @property
    def mapping(self) -> ClaimMapping:
        """How token payloads become identities."""
        return ClaimMapping(dict(self.claims), self.roles_pointer, self.default_roles)

    def scope(self, source: str) -> Scope:
        """What conditions on tables of `source` may mention."""
        types = {name: claim.type for name, claim in self.claims.items()}
        return Scope(source, types, frozenset(self.roles), dict(self.lookups))

    def read(self, blocks: list[Mapping[str, Value]]) -> None:
        """Read the declarations of all files; masks last, since they mention the others."""
        for key in ("source", "roles_pointer", "purpose_claim", "mask_order", "default_roles"):
            for value in [block[key] for block in blocks if key in block][1:]:
                value.problem(f'"{key}" is given in two files')
        for block in blocks:
            self._read_settings(block)
        for block in blocks:
            self._read_roles(block)
            self._read_keys(block)
            self._read_lookups(block)
            for name, value in _entries(block, "claims"):
                self._read_claim(name, value)
        for block in blocks:
            self._check_mentions(block)
            reader = MaskReader(frozenset(self.keys), self.scope(self.source))
            for name, value in _entries(block, "masks"):
                if _declares(value, name, self.masks, _NAME):
                    mask = reader.read(name, value)
                    if mask is not None:
                        self.masks[name] = mask
        for block in blocks:
            self._read_tags(block)
            self._read_order(block)

    def _read_settings(self, block: Mapping[str, Value]) -> None:
        if "source" in block:
            self.source = block["source"].text() or self.source
        if "roles_pointer" in block:
            self.roles_pointer = _pointer(block["roles_pointer"]) or self.roles_pointer
        if "purpose_claim" in block:
            self.purpose_claim = block["purpose_claim"].text()

    def _read_roles(self, block: Mapping[str, Value]) -> None:
        for name, value in _entries(block, "roles"):
            if _declares(value, name, self.roles, _NAME):
                self.roles[name] = "" if value.is_null else value.text() or ""

    def _read_keys(self, block: Mapping[str, Value]) -> None:
        for name, value in block["keys"].texts() if "keys" in block else []:
            if _declares(value, name, self.keys, _CLAIM_NAME):
                self.keys.add(name)

    def _read_lookups(self, block: Mapping[str, Value]) -> None:
        for name, value in _entries(block, "lookups"):
            key = relation_key(value, name, self.source)
            columns = tuple(text for text, _ in value.texts())
            if not columns:
                value.problem("a lookup table lists the columns that conditions may read")
            if key is not None:
                self.lookups[key] = columns

    def _read_claim(self, name: str, value: Value) -> None:
        if not _declares(value, name, self.claims, _CLAIM_NAME):
            return
        block = value.block(KEYS["claim"])
        type_ = _claim_type(value, block)
        if type_ is None:
            return
        if ("pointer" in block) is ("lookup" in block):
            value.problem('needs either "pointer" (into the token) or "lookup" (a statement)')
            return
        pointer = _pointer(block["pointer"]) if "pointer" in block else None
        lookup = _lookup(block["lookup"]) if "lookup" in block else None
        default = None
        if "default" in block:
            try:
                default = coerce(name, block["default"].json(), type_)
            except ClaimRefused as refused:
                block["default"].problem(str(refused))
        self.claims[name] = ClaimSource(type_, pointer, default, lookup)

    def _check_mentions(self, block: Mapping[str, Value]) -> None:
        """What names something that another file may declare."""
        if "default_roles" in block:
            names = role_names(block["default_roles"], self.roles)
            self.default_roles = frozenset(names)
        if "purpose_claim" in block and self.purpose_claim is not None:
            known = [n for n, c in self.claims.items() if c.type.name in ("text", "text[]")]
            if self.purpose_claim not in known:
                block["purpose_claim"].problem(
                    f'"{self.purpose_claim}" is not a declared claim of type text or text[]',
                    near_miss(self.purpose_claim, known),
                )
                self.purpose_claim = None
        for name, value in _entries(block, "claims"):
            claim = self.claims.get(name)
            known = [*_IDENTITY_FIELDS, *(n for n, c in self.claims.items() if c.pointer)]
            for parameter in claim.lookup.parameters if claim and claim.lookup else ():
                if parameter not in known:
                    value.problem(
                        f'lookup parameter "{parameter}" is none of {", ".join(known)}',
                        near_miss(parameter, known),
                    )

    def _read_tags(self, block: Mapping[str, Value]) -> None:
        for name, value in _entries(block, "tags"):
            if _declares(value, name, self.tags, _NAME):
                inner = value.block(KEYS["tag"])
                self.tags[name] = mask_named(inner["mask"], self.masks) if "mask" in inner else None

    def _read_order(self, block: Mapping[str, Value]) -> None:
        if "mask_order" not in block:
            return
        names = block["mask_order"].texts()
        for name, value in names:
            _check_known(value, "mask", name, self.masks)
        self.mask_order = tuple(name for name, _ in names)


def _entries(block: Mapping[str, Value], key: str) -> list[tuple[str, Value]]:
    return list(block[key].entries()) if key in block else []


def _declares(
    value: Value, name: str, known: Mapping[str, object] | set[str], pattern: re.Pattern[str]
) -> bool:
    if name in known:
        value.problem(f'"{name}" is declared twice')
        return False
    if not pattern.fullmatch(name):
        value.problem(f'"{name}" is not a usable name')
        return False
    return True


def _check_known(value: Value, kind: str, name: str, known: Mapping[str, object]) -> bool:
    if name in known:
        return True
    value.problem(f'{kind} "{name}" is not declared', near_miss(name, known))
    return False


def role_names(value: Value, roles: Mapping[str, str]) -> tuple[str, ...]:
    """A list of declared roles; others are problems."""
    return tuple(n for n, item in value.texts() if _check_known(item, "role", n, roles))


def mask_named(value: Value, masks: Mapping[str, Mask]) -> Mask | None:
    """The mask that the value names; an empty value (`mask: null`) is the mask `null`."""
    name = "null" if value.is_null else value.text()
    if name is None or not _check_known(value, "mask", name, masks):
        return None
    return masks[name]


def relation_key(value: Value, name: str, source: str) -> RelationKey | None:
    """`schema.name` or `source.schema.name` as a key; None after a problem.

    A part that holds a dot or begins with a quotation mark is quoted as in SQL: `public."a.b"`.
    """
    parts = [_unquoted(part) for part in _PART.findall(name)]
    if "".join(_DOTTED.findall(name)) != name:
        parts = []
    if len(parts) == 2:
        parts.insert(0, source)
    if len(parts) != 3 or not all(parts):
        value.problem(f'"{name}" is not schema.table or source.schema.table')
        return None
    if any(len(part.encode()) > IDENTIFIER_BYTES_MAX for part in parts):
        value.problem(f"a part of the name is longer than {IDENTIFIER_BYTES_MAX} bytes")
        return None
    return RelationKey(*parts)


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


def _pointer(value: Value) -> str | None:
    text = value.text()
    try:
        check_pointer(text or "")
    except ValueError as error:
        value.problem(str(error))
    return text


def _claim_type(value: Value, block: Mapping[str, Value]) -> ClaimType | None:
    text = block["type"].text() if "type" in block else None
    if text is None:
        value.problem('needs "type"')
        return None
    try:
        return ClaimType.parse(text)
    except ValueError as error:
        block["type"].problem(str(error))
        return None


def _lookup(value: Value) -> ClaimLookup | None:
    block = value.block(KEYS["claim_lookup"])
    if "stored" in block:
        if len(block) > 1:
            value.problem('"stored" stands alone: the state database has the value')
        stored = block["stored"].text()
        return None if stored is None else ClaimLookup("", "", (), stored)
    if "sql" not in block or "source" not in block:
        value.problem('needs "source" and "sql", or "stored"')
        return None
    source, sql = block["source"].text(), block["sql"].text()
    parameters = block["parameters"].texts() if "parameters" in block else []
    if source is None or sql is None:
        return None
    return ClaimLookup(source, sql, tuple(name for name, _ in parameters))
