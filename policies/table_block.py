"""The `tables` section: columns and rules of one relation.

This file must not know how rules combine. It resolves names (roles, masks, tags, columns), parses
conditions, and refuses what could only be a mistake: a grant that names an unlisted column, an
unmask of a column without mask, masks of one column that cannot be ordered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from policies import expression as tree
from policies.declare import Declarations, mask_named, relation_key, role_names
from policies.document import Value, near_miss
from policies.expression import Expression
from policies.layout import KEYS
from policies.mask import Mask, strictest
from policies.model import RelationKey
from policies.predicate import PredicateError, parse_condition
from policies.rule import (
    ColumnPolicy,
    Condition,
    Denial,
    Grant,
    Restriction,
    TablePolicy,
)
from policies.window import ALWAYS, WEEKDAYS, WeeklyHours, Window

ROW_LIMIT_MAX = 10**12
BYTE_LIMIT_MAX = 10**15
EVERYONE = "everyone"
TAG_PREFIX = "tag:"
_EFFECTS = ("grant", "restrict", "deny")


@dataclass
class TableReader:
    """Reads one table block. `order` of masks and all names come from the declarations."""

    declared: Declarations

    def read(self, name: str, value: Value) -> TablePolicy | None:
        """The table called `name` in the file, or None after a problem with its name."""
        key = relation_key(value, name, self.declared.source)
        if key is None:
            return None
        value = value.within(name)
        block = value.block(KEYS["table"])
        columns, absent = self._columns(block, value)
        rules = _RuleReader(self.declared, key, name, columns)
        for item in block["rules"].items() if "rules" in block else []:
            rules.read(item)
        table = TablePolicy(
            key=key,
            place=value.place,
            columns=columns,
            absent=absent,
            grants=tuple(rules.grants),
            restrictions=tuple(rules.restrictions),
            denials=tuple(rules.denials),
            comment=block["comment"].text() if "comment" in block else None,
            row_limit=_limit(block, "row_limit", ROW_LIMIT_MAX),
            byte_limit=_limit(block, "byte_limit", BYTE_LIMIT_MAX),
        )
        self._check_masks(table, value)
        if not table.grants:
            value.problem("no rule grants this table: nobody sees it", is_warning=True)
        return table

    def _columns(
        self, block: Mapping[str, Value], value: Value
    ) -> tuple[dict[str, ColumnPolicy], frozenset[str]]:
        columns: dict[str, ColumnPolicy] = {}
        absent: set[str] = set()
        if "columns" not in block:
            value.problem('needs "columns": what is not listed does not exist')
            return columns, frozenset()
        for name, item in block["columns"].entries():
            column = self._column(name, item)
            if column is None:
                absent.add(name)
            else:
                columns[name] = column
        if not columns:
            block["columns"].problem("lists no column that could be shown")
        return columns, frozenset(absent)

    def _column(self, name: str, value: Value) -> ColumnPolicy | None:
        if value.is_text:
            text = None if value.is_null else value.text()
            if text not in ("visible", "absent"):
                value.problem(
                    'a column is "visible", "absent" or a block like {mask: name}',
                    near_miss(text or "", ("visible", "absent")),
                )
            return ColumnPolicy(name, value.place) if text == "visible" else None
        block = value.block(KEYS["column"])
        if "absent" in block:
            if block["absent"].json() is not True:
                block["absent"].problem('"absent" is true or left out')
            return None
        tags = self._tags(block["tags"]) if "tags" in block else {}
        masks = [mask for mask in tags.values() if mask is not None]
        if "mask" in block:
            own = mask_named(block["mask"], self.declared.masks)
            masks = [own, *masks] if own is not None else masks
        mask = strictest(list(dict.fromkeys(masks)), self.declared.mask_order) if masks else None
        if masks and mask is None:
            value.problem(_unordered(masks))
            mask = masks[0]
        comment = block["comment"].text() if "comment" in block else None
        return ColumnPolicy(name, value.place, mask, frozenset(tags), comment)

    def _tags(self, value: Value) -> dict[str, Mask | None]:
        found: dict[str, Mask | None] = {}
        for name, item in value.texts():
            if name in self.declared.tags:
                found[name] = self.declared.tags[name]
            else:
                item.problem(f'tag "{name}" is not declared', near_miss(name, self.declared.tags))
        return found

    def _check_masks(self, table: TablePolicy, value: Value) -> None:
        """Any two masks that some principal's roles may bring together must be ordered."""
        for name, masks in table.masks().items():
            column = table.columns[name]
            for one in masks:
                if any(key.source != table.key.source for key in one.lookups()):
                    value.problem(f'mask "{one.name}" of "{name}" looks up another source')
            for position, one in enumerate(masks):
                for other in masks[position + 1 :]:
                    if strictest([one, other], self.declared.mask_order) is None:
                        value.reporter.add(
                            column.place,
                            _unordered([one, other]),
                            rule=value.rule,
                            field=f"columns.{name}",
                        )


def _unordered(masks: list[Mask]) -> str:
    names = " and ".join(f'"{mask.name}"' for mask in masks)
    return f"masks {names} cannot be ordered by strictness: list them in mask_order"


class _RuleReader:
    """Reads the rules of one table, in the order of the file."""

    def __init__(
        self,
        declared: Declarations,
        key: RelationKey,
        table: str,
        columns: Mapping[str, ColumnPolicy],
    ) -> None:
        self._declared = declared
        self._scope = declared.scope(key.source)
        self._table = table
        self._columns = columns
        self._names: set[str] = set()
        self.grants: list[Grant] = []
        self.restrictions: list[Restriction] = []
        self.denials: list[Denial] = []

    def read(self, value: Value) -> None:
        """One rule; problems name it."""
        effects = [key for key, _ in value.entries() if key in _EFFECTS]
        if len(effects) != 1:
            value.problem(f"a rule starts with exactly one of {', '.join(_EFFECTS)} and its name")
            return
        effect = effects[0]
        name = dict(value.entries())[effect].text()
        if name is None:
            return
        value = value.within(f"{self._table} / {name}")
        if name in self._names:
            value.problem(f'"{name}" names two rules of this table')
        self._names.add(name)
        block = value.block(KEYS[f"rule_{effect}"])
        match effect:
            case "grant":
                self.grants.append(self._grant(name, value, block))
            case "restrict":
                self.restrictions.append(self._restriction(name, value, block))
            case _:
                self.denials.append(self._denial(name, value, block))

    def _grant(self, name: str, value: Value, block: Mapping[str, Value]) -> Grant:
        if "roles" not in block:
            value.problem(f'needs "roles": a list of roles, or {EVERYONE}')
        columns = frozenset(self._columns)
        if "columns" in block:
            columns = self._column_names(block["columns"], columns)
            if not columns and not block["columns"].node.value:
                block["columns"].problem("grants no column")
        return Grant(
            name=name,
            place=value.place,
            roles=self._roles(block) if "roles" in block else frozenset(),
            where=self._condition(block),
            row_limit=_limit(block, "row_limit", ROW_LIMIT_MAX),
            byte_limit=_limit(block, "byte_limit", BYTE_LIMIT_MAX),
            columns=columns,
            unmask=self._unmask(block["unmask"], columns) if "unmask" in block else frozenset(),
            masks=self._masks(block["masks"], columns) if "masks" in block else {},
            window=_window(block),
        )

    def _restriction(self, name: str, value: Value, block: Mapping[str, Value]) -> Restriction:
        if not set(block) - {"restrict", "roles"}:
            value.problem("restricts nothing: give where, purpose, hours, a date or a limit")
        return Restriction(
            name=name,
            place=value.place,
            roles=self._roles(block),
            where=self._condition(block),
            row_limit=_limit(block, "row_limit", ROW_LIMIT_MAX),
            byte_limit=_limit(block, "byte_limit", BYTE_LIMIT_MAX),
            window=_window(block),
        )

    def _denial(self, name: str, value: Value, block: Mapping[str, Value]) -> Denial:
        if "where" in block and "columns" in block:
            value.problem("denies either rows (where) or columns, not both")
        columns: frozenset[str] = frozenset()
        if "columns" in block:
            columns = self._column_names(block["columns"], frozenset(self._columns))
            if not columns and not block["columns"].node.value:
                block["columns"].problem("names no column")
        return Denial(
            name=name,
            place=value.place,
            roles=self._roles(block),
            where=self._condition(block),
            columns=columns,
        )

    def _roles(self, block: Mapping[str, Value]) -> frozenset[str] | None:
        if "roles" not in block:
            return None
        value = block["roles"]
        if value.is_text:
            if value.text() != EVERYONE:
                value.problem(f"expected a list of roles, or {EVERYONE}")
                return frozenset()
            return None
        names = frozenset(role_names(value, self._declared.roles))
        if not names and not value.node.value:
            value.problem("names no role")
        return names

    def _condition(self, block: Mapping[str, Value]) -> Condition:
        node: Expression = tree.TRUE
        text = "true"
        parts: list[Expression] = []
        if "where" in block:
            value = block["where"]
            text = value.node.value if value.is_text else ""
            try:
                node = parse_condition(text, self._scope) if value.text() is not None else node
            except PredicateError as error:
                at = "" if error.position is None else f" (at character {error.position + 1})"
                value.problem(f"{error.message}{at}", error.suggestion)
            parts.append(node)
        if "purpose" in block:
            purposes = tuple(name for name, _ in block["purpose"].texts())
            parts.append(self._purpose(block["purpose"], purposes))
            text = f"{text} [purpose: {', '.join(purposes)}]"
        return Condition(tree.conjunction(tuple(parts)), text)

    def _purpose(self, value: Value, purposes: tuple[str, ...]) -> Expression:
        """A comparison with the purpose claim, as SQL: its value is in no cache key then."""
        names = tuple(tree.Literal("text", name) for name in purposes)
        claim = self._declared.purpose_claim
        if claim is None or not names:
            value.problem("needs purpose_claim at the top of the file, and at least one purpose")
            return tree.FALSE
        claim_node = tree.Claim(claim)
        if not self._scope.claim_types[claim].is_array:
            return tree.InList(claim_node, names, is_negated=False)
        return tree.disjunction(
            tuple(tree.Quantified(name, "=", "ANY", claim_node) for name in names)
        )

    def _column_names(self, value: Value, known: frozenset[str]) -> frozenset[str]:
        found: set[str] = set()
        for name, item in value.texts():
            if name in known:
                found.add(name)
            else:
                item.problem(f'column "{name}" is not listed here', near_miss(name, known))
        return frozenset(found)

    def _unmask(self, value: Value, columns: frozenset[str]) -> frozenset[str]:
        found: set[str] = set()
        for name, item in value.texts():
            tag = name.removeprefix(TAG_PREFIX) if name.startswith(TAG_PREFIX) else None
            if tag is not None and tag not in self._declared.tags:
                item.problem(f'tag "{tag}" is not declared', near_miss(tag, self._declared.tags))
            elif tag is not None:
                found |= {c for c in columns if tag in self._columns[c].tags}
            elif name not in columns:
                item.problem(f'column "{name}" is not granted here', near_miss(name, columns))
            elif self._columns[name].mask is None:
                item.problem(f'column "{name}" has no mask', is_warning=True)
            else:
                found.add(name)
        return frozenset(found)

    def _masks(self, value: Value, columns: frozenset[str]) -> dict[str, Mask]:
        found: dict[str, Mask] = {}
        for name, item in value.entries():
            if name not in columns:
                item.problem(f'column "{name}" is not granted here', near_miss(name, columns))
                continue
            mask = mask_named(item, self._declared.masks)
            if mask is not None:
                found[name] = mask
        return found


def _limit(block: Mapping[str, Value], key: str, maximum: int) -> int | None:
    return block[key].whole(1, maximum) if key in block else None


def _window(block: Mapping[str, Value]) -> Window:
    start = _instant(block["valid_from"]) if "valid_from" in block else None
    end = _instant(block["valid_until"]) if "valid_until" in block else None
    hours = _hours(block["hours"]) if "hours" in block else None
    if start is not None and end is not None and start >= end:
        block["valid_until"].problem("is not after valid_from")
    return Window(start, end, hours) if (start, end, hours) != (None, None, None) else ALWAYS


def _instant(value: Value) -> float | None:
    text = value.text() or ""
    try:
        if len(text) == len("2026-01-31"):
            return datetime.combine(date.fromisoformat(text), time(), UTC).timestamp()
        parsed = datetime.fromisoformat(text)
    except ValueError:
        value.problem("expected a date (start of day, UTC) or an instant with its offset")
        return None
    if parsed.tzinfo is None:
        value.problem("an instant needs its offset from UTC, as 2026-01-31T08:00:00+01:00")
        return None
    return parsed.timestamp()


def _hours(value: Value) -> WeeklyHours | None:
    block = value.block(KEYS["hours"])
    missing = [key for key in ("from", "until", "zone") if key not in block]
    if missing:
        value.problem(f"needs {', '.join(missing)}")
        return None
    days = [name for name, _ in block["days"].texts()] if "days" in block else list(WEEKDAYS)
    unknown = [name for name in days if name not in WEEKDAYS]
    if unknown or not days:
        block["days"].problem(f"days are {', '.join(WEEKDAYS)}")
        return None
    opens, closes = _time(block["from"]), _time(block["until"])
    zone = _zone(block["zone"])
    if opens is None or closes is None or zone is None:
        return None
    return WeeklyHours(frozenset(WEEKDAYS.index(name) for name in days), opens, closes, zone)


def _time(value: Value) -> time | None:
    text = value.text() or ""
    try:
        if len(text) == len("08:00"):
            return time.fromisoformat(text)
    except ValueError:
        pass
    value.problem('expected a time of day like "08:00"')
    return None


def _zone(value: Value) -> ZoneInfo | None:
    try:
        return ZoneInfo(value.text() or "")
    except (ValueError, OSError, LookupError):
        value.problem("not a time zone like Europe/Berlin")
        return None
