"""Masks: named, total, typed transformations of one column.

This file must not know rules, roles or who asks. A mask gives SQL over the bare column; the SQL
returns for every stored value of the types it accepts (NaN, infinities, the first and last date,
empty and short text included), does not depend on settings that a client can change, and gives NULL
for NULL. Where a value has no sensible masked form the result is NULL or only the fill: never the
value.

`type_name` is the declared result type, None when the mask keeps the column's own.

Strictness is a partial order: `is_as_strict(a, b)` holds when `a` provably reveals no more than
`b`. What cannot be ordered must be ordered by the policy's `mask_order`, or is a load error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from policies import expression as tree
from policies.expression import Expression, cast, quote_identifier, quote_text, to_sql
from policies.keyed import fraction_sql, hmac_hex_sql, slots
from policies.model import RelationKey

TEXT_TYPES = frozenset({"text", "character varying", "character", "citext", "name"})
WHOLE_TYPES = frozenset({"smallint", "integer", "bigint"})
NUMBER_TYPES = WHOLE_TYPES | {"numeric", "real", "double precision"}
# Types whose text form is the same under every client setting.
STABLE_TEXT_TYPES = TEXT_TYPES | WHOLE_TYPES | {"numeric", "uuid", "boolean"}

# Beyond this the numeric masks give NULL: rounding a number of 131,072 digits can overflow.
_NUMBER_LIMIT = "1e38"
DATE_UNITS = ("day", "week", "month", "quarter", "year")
# Names of the column inside a custom mask.
VALUE = "value"


@dataclass(frozen=True, slots=True)
class MaskContext:
    """Where a mask is applied: the column, its relation, and the principal's roles."""

    relation: RelationKey
    column: str
    roles: frozenset[str] = frozenset()

    @property
    def sql(self) -> str:
        """The bare column."""
        return quote_identifier(self.column)

    @property
    def text(self) -> str:
        """The bare column as text."""
        return cast(self.sql, "text")


@dataclass(frozen=True, slots=True)
class Mask:
    """Base of all masks. `accepts`: column types it is total on, None for every type."""

    name: str

    @property
    def kind(self) -> str:
        """The key that declares it in a policy."""
        return type(self).__name__.removesuffix("Mask").lower()

    @property
    def type_name(self) -> str | None:
        return None

    @property
    def accepts(self) -> frozenset[str] | None:
        return None

    def sql(self, context: MaskContext) -> str:
        """The masked column as an SQL expression."""
        raise NotImplementedError

    def claims(self, context: MaskContext) -> frozenset[str]:
        """The claims and key slots that the expression reads."""
        return frozenset()

    def columns(self, context: MaskContext) -> frozenset[str]:
        """The columns of the base relation that the expression reads."""
        return frozenset({context.column})

    def lookups(self) -> frozenset[RelationKey]:
        """The lookup tables that the expression reads."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class NullMask(Mask):
    """NULL of the column's own type: the strictest mask."""

    def sql(self, context: MaskContext) -> str:
        # A bare NULL would be text; this one has the column's type and is folded away by the
        # planner.
        return f"CASE WHEN false THEN {context.sql} END"


@dataclass(frozen=True, slots=True)
class ConstantMask(Mask):
    """The same value in every row, NULL or not."""

    value: tree.TypedLiteral

    @property
    def type_name(self) -> str:
        return self.value.type_name

    def sql(self, context: MaskContext) -> str:
        return to_sql(self.value)


@dataclass(frozen=True, slots=True)
class PartialMask(Mask):
    """The first and last characters around a fill; only the fill when too few would stay hidden."""

    first: int
    last: int
    hidden_min: int
    fill: str

    @property
    def type_name(self) -> str:
        return "text"

    @property
    def accepts(self) -> frozenset[str]:
        return STABLE_TEXT_TYPES

    def sql(self, context: MaskContext) -> str:
        text, fill = context.text, quote_text(self.fill)
        parts = [cast(fill, "text")]
        if self.first:
            parts.insert(0, f'pg_catalog."left"({text}, {self.first})')
        if self.last:
            parts.append(f'pg_catalog."right"({text}, {self.last})')
        needed = self.first + self.last + self.hidden_min
        return (
            f"CASE WHEN {context.sql} IS NULL THEN NULL"
            f" WHEN pg_catalog.length({text}) >= {needed} THEN {' || '.join(parts)}"
            f" ELSE {cast(fill, 'text')} END"
        )


@dataclass(frozen=True, slots=True)
class EmailMask(Mask):
    """First character and domain of an e-mail address; only the fill for everything else."""

    keep_domain: bool
    fill: str

    @property
    def type_name(self) -> str:
        return "text"

    @property
    def accepts(self) -> frozenset[str]:
        return TEXT_TYPES

    def sql(self, context: MaskContext) -> str:
        text, fill = context.text, cast(quote_text(self.fill), "text")
        domain = f"pg_catalog.split_part({text}, '@', 2)"
        # Free text around an "@" must not pass for a domain, so the domain's alphabet is checked.
        alphabet = quote_text("abcdefghijklmnopqrstuvwxyz0123456789.-")
        foreign = f"pg_catalog.translate(pg_catalog.lower({domain}), {alphabet}, '')"
        shown = f'pg_catalog."left"({text}, 1) || {fill}'
        if self.keep_domain:
            shown += f" || '@' || {domain}"
        return (
            f"CASE WHEN {context.sql} IS NULL THEN NULL"
            f" WHEN {text} LIKE '__%@_%' AND {text} NOT LIKE '%@%@%' AND {foreign} = ''"
            f" THEN {shown} ELSE {fill} END"
        )


@dataclass(frozen=True, slots=True)
class HashMask(Mask):
    """A keyed pseudonym: equal values of one domain stay equal, nothing else is kept.

    `domain` None: the column's own, so that pseudonyms of two columns cannot be joined.
    `characters`: hexadecimal digits kept, of 64.
    """

    key: str
    domain: str | None
    characters: int

    @property
    def type_name(self) -> str:
        return "text"

    @property
    def accepts(self) -> frozenset[str]:
        return STABLE_TEXT_TYPES

    def domain_of(self, context: MaskContext) -> str:
        """What the key is derived for."""
        # The three prefixes (one is NoiseMask's) keep a chosen name from meeting another domain.
        if self.domain is not None:
            return f"shared:{self.domain}"
        return f"column:{context.relation}.{context.column}"

    def sql(self, context: MaskContext) -> str:
        digest = hmac_hex_sql(context.text, self.key, self.domain_of(context))
        return f'pg_catalog."left"({digest}, {self.characters})'

    def claims(self, context: MaskContext) -> frozenset[str]:
        return frozenset(slot.name for slot in slots(self.key, self.domain_of(context)))


@dataclass(frozen=True, slots=True)
class DateMask(Mask):
    """A date or instant moved to the start of its `unit`, in UTC; NULL outside the years 1 to
    9999."""

    unit: str
    column_type: str

    @property
    def kind(self) -> str:
        return "generalise"

    @property
    def accepts(self) -> frozenset[str]:
        return frozenset({self.column_type})

    def sql(self, context: MaskContext) -> str:
        column, unit = context.sql, quote_text(self.unit)
        if self.column_type == "date":
            low, high = "0001-01-01", "9999-12-31"
            start = f"pg_catalog.date_trunc({unit}, ({column})::pg_catalog.timestamp)"
            shown = cast(start, "date")
        elif self.column_type == "timestamp without time zone":
            low, high = "0001-01-01T00:00:00", "9999-12-31T00:00:00"
            shown = f"pg_catalog.date_trunc({unit}, {column})"
        else:
            low, high = "0001-01-01T00:00:00+00:00", "9999-12-31T00:00:00+00:00"
            # The third argument keeps the session's TimeZone, which a client may set, out of it.
            shown = f"pg_catalog.date_trunc({unit}, {column}, 'UTC')"
        bounds = " AND ".join(cast(quote_text(bound), self.column_type) for bound in (low, high))
        return f"CASE WHEN {column} BETWEEN {bounds} THEN {shown} END"


def _within_limit(number: str) -> str:
    # NaN is greater than every number in Postgres, so it fails the second comparison.
    return f"{number} > (-{_NUMBER_LIMIT}) AND {number} < {_NUMBER_LIMIT}"


@dataclass(frozen=True, slots=True)
class NumberMask(Mask):
    """A number rounded down to a multiple of `bucket`; NULL for NaN, infinities and beyond 1e38."""

    bucket: str

    @property
    def kind(self) -> str:
        return "generalise"

    @property
    def type_name(self) -> str:
        return "numeric"

    @property
    def accepts(self) -> frozenset[str]:
        return NUMBER_TYPES

    def sql(self, context: MaskContext) -> str:
        number, bucket = cast(context.sql, "numeric"), cast(quote_text(self.bucket), "numeric")
        # mod() is exact where a division would round; the inner one has the sign of the number.
        inner = f"pg_catalog.mod({number}, {bucket}) + {bucket}"
        shown = f"{number} - pg_catalog.mod({inner}, {bucket})"
        return f"CASE WHEN {_within_limit(number)} THEN {shown} END"


@dataclass(frozen=True, slots=True)
class NoiseMask(Mask):
    """A number with noise that is fixed per row, so that asking again does not average it out.

    `amount` is absolute, or a percentage when `is_percent`; `row_key` names columns that identify
    the row; `digits` after the point. A row whose key is NULL shows NULL.
    """

    key: str
    amount: str
    is_percent: bool
    row_key: tuple[str, ...]
    digits: int

    @property
    def type_name(self) -> str:
        return "numeric"

    @property
    def accepts(self) -> frozenset[str]:
        return NUMBER_TYPES

    def domain_of(self, context: MaskContext) -> str:
        """What the key is derived for."""
        # Never shared with a pseudonym: known noise would then give away hashes of row keys.
        return f"noise:{context.relation}.{context.column}"

    def sql(self, context: MaskContext) -> str:
        parts = [cast(quote_identifier(name), "text") for name in self.row_key]
        # The length in front keeps ('1', '23') and ('12', '3') apart.
        framed = [
            f"{cast(f'pg_catalog.length({part})', 'text')} || ':' || {part}" for part in parts
        ]
        digest = hmac_hex_sql(f"({' || '.join(framed)})", self.key, self.domain_of(context))
        number, amount = cast(context.sql, "numeric"), cast(quote_text(self.amount), "numeric")
        noise = f"{fraction_sql(digest)} * {amount}"
        if self.is_percent:
            noise = f"{number} * {noise} / 100"
        shown = f"pg_catalog.round({number} + {noise}, {self.digits})"
        return f"CASE WHEN {_within_limit(number)} THEN {shown} END"

    def claims(self, context: MaskContext) -> frozenset[str]:
        return frozenset(slot.name for slot in slots(self.key, self.domain_of(context)))

    def columns(self, context: MaskContext) -> frozenset[str]:
        return frozenset({context.column, *self.row_key})


@dataclass(frozen=True, slots=True)
class JsonMask(Mask):
    """A jsonb object without the paths in `remove`, or with only the top-level keys in `keep`.

    A document of another shape (an array or scalar, an array on the way of a path) becomes NULL:
    what a path means there is unknown.
    """

    remove: tuple[tuple[str, ...], ...]
    keep: tuple[str, ...]

    @property
    def accepts(self) -> frozenset[str]:
        return frozenset({"jsonb"})

    def sql(self, context: MaskContext) -> str:
        document = context.sql
        conditions = [f"pg_catalog.jsonb_typeof({document}) = 'object'"]
        if self.keep:
            shown = " || ".join(_kept_key_sql(document, key) for key in self.keep)
            return f"CASE WHEN {conditions[0]} THEN {shown} END"
        shown = document
        for path in self.remove:
            shown = f"({shown} #- {_path_sql(path)})"
            for length in range(1, len(path)):
                inner = f"pg_catalog.jsonb_typeof({document} #> {_path_sql(path[:length])})"
                conditions.append(f"{inner} IS DISTINCT FROM 'array'")
        return f"CASE WHEN {' AND '.join(dict.fromkeys(conditions))} THEN {shown} END"


def _path_sql(path: Sequence[str]) -> str:
    return f"ARRAY[{', '.join(quote_text(step) for step in path)}]::pg_catalog.text[]"


def _kept_key_sql(document: str, key: str) -> str:
    name = quote_text(key)
    pair = f"pg_catalog.jsonb_build_object({name}, {document} -> {name})"
    empty = cast("'{}'", "jsonb")
    return f"CASE WHEN {document} ? {name} THEN {pair} ELSE {empty} END"


@dataclass(frozen=True, slots=True)
class CustomMask(Mask):
    """An expression of the condition language over `value` (the column) and other columns.

    `result` is `text` (the expression is cast, which is total), `boolean`, or None: the column's
    own type, for which every possible result must be `value` or NULL.
    """

    body: Expression
    result: str | None

    @property
    def type_name(self) -> str | None:
        return self.result

    def _decided(self, context: MaskContext) -> Expression:
        return tree.simplify(tree.rename_column(self.body, VALUE, context.column), context.roles)

    def sql(self, context: MaskContext) -> str:
        decided = self._decided(context)
        if self.result == "text":
            return to_sql(tree.ToText(decided))
        if self.result is None and decided == tree.NULL:
            return NullMask(self.name).sql(context)
        return to_sql(decided)

    def claims(self, context: MaskContext) -> frozenset[str]:
        return tree.claims_of(self._decided(context))

    def columns(self, context: MaskContext) -> frozenset[str]:
        return tree.columns_of(self._decided(context)) | {context.column}

    def lookups(self) -> frozenset[RelationKey]:
        return tree.lookups_of(self.body)


def keeps_type(body: Expression) -> bool:
    """True when every possible result of the expression is `value` or NULL."""
    match body:
        case tree.Column(name, False):
            return name == VALUE
        case tree.Literal("null", _):
            return True
        case tree.Case(arms, otherwise):
            return keeps_type(otherwise) and all(keeps_type(result) for _, result in arms)
        case _:
            return False


def is_as_strict(one: Mask, other: Mask, order: Sequence[str]) -> bool:
    """True when `one` reveals no more than `other`: by the policy's `order` (strictest first), or
    provably."""
    if one.name in order and other.name in order:
        return order.index(one.name) <= order.index(other.name)
    if one == other or isinstance(one, NullMask):
        return True
    match one, other:
        case ConstantMask(), NullMask() | ConstantMask():
            return False
        case ConstantMask(), _:
            return True
        case PartialMask(), PartialMask():
            return _partial_is_as_strict(one, other)
        case DateMask(), DateMask():
            # A week belongs to two months, so it is ordered with days only.
            fine, coarse = DATE_UNITS.index(other.unit), DATE_UNITS.index(one.unit)
            has_week = "week" in (one.unit, other.unit) and other.unit != "day"
            return coarse > fine and not has_week and one.column_type == other.column_type
        case NumberMask(), NumberMask():
            return Decimal(one.bucket) % Decimal(other.bucket) == 0
        case _:
            return False


def _partial_is_as_strict(one: PartialMask, other: PartialMask) -> bool:
    return (
        one.first <= other.first
        and one.last <= other.last
        and one.first + one.last + one.hidden_min >= other.first + other.last + other.hidden_min
        and one != other
    )


def strictest(masks: Sequence[Mask], order: Sequence[str]) -> Mask | None:
    """The one mask that is as strict as all others; None when they cannot be ordered."""
    for mask in masks:
        if all(is_as_strict(mask, other, order) for other in masks):
            return mask
    return None
