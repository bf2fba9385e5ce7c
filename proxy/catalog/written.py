"""Tables of a class that are written straight into its database's catalogs: their rows, pure.

`definition` says which tables these are; here they get the names of their keys, and their numbers,
and become arrays for the statements of `written_rows`. Names and numbers are chosen over the whole
class, so that a database which holds a part of it has the same ones.
This file must not know connections.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.catalog.numbering import array_type_name, chosen_name, numbers_of
from proxy.wire.type_oids import FIRST_OWN_OID

CONSTRAINT_KINDS: Final = frozenset("pu")
TOAST_ROW_BYTES: Final = 2_032  # TOAST_TUPLE_THRESHOLD for pages of 8 kB
_ROW_HEADER_BYTES: Final = 23  # SizeofHeapTupleHeader
_CHARACTER_BYTES_MAX: Final = 4  # UTF8
_CHARACTER_TYPES: Final = frozenset({1042, 1043})
_BIT_TYPES: Final = frozenset({1560, 1562})
_NUMERIC: Final = 1700
_MODIFIER_HEADER: Final = 4  # VARHDRSZ, which length modifiers include


@dataclass(frozen=True, slots=True)
class WrittenColumn:
    """One column. `modifier` is atttypmod; `dimensions` attndims; `identity` '', 'a' or 'd'."""

    name: str
    type_name: str
    modifier: int = -1
    not_null: bool = False
    identity: str = ""
    dimensions: int = 0
    collation: str | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenKey:
    """A key (`kind` p or u), or a plain index: i, or x if it is unique. Without a name it gets the
    one that Postgres would choose."""

    kind: str
    columns: tuple[str, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenSequence:
    """A sequence that a column owns; without a name it gets the one that Postgres would choose."""

    column: str
    is_identity: bool
    type_name: str = "bigint"
    start: int = 1
    step: int = 1
    highest: int = 2**63 - 1
    lowest: int = 1
    cache: int = 1
    cycles: bool = False
    name: str | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """An ordinary table, with what hangs on it."""

    schema: str
    name: str
    columns: tuple[WrittenColumn, ...]
    comment: str | None = None
    keys: tuple[WrittenKey, ...] = ()
    sequences: tuple[WrittenSequence, ...] = ()
    not_nulls: tuple[tuple[str, str], ...] = ()
    """Columns with the names of their NOT NULL constraints, where those have names (since 18)."""

    @property
    def place(self) -> tuple[str, str]:
        return self.schema, self.name


@dataclass(frozen=True, slots=True)
class Kind:
    """A type as the database has it: pg_type's oid, typlen and typstorage."""

    oid: int
    size: int
    storage: str


Rows = Mapping[str, Sequence[Sequence[Any]]]
"""The arrays of each group, as `written_rows.Insert.group` names it."""


class Naming:
    """Names that are taken, by schema, and names chosen so that they are not.

    Args: `taken` holds names of relations, types and constraints alike: a generated name that
    avoids more than it must harms nobody. `has_not_nulls`: NOT NULL constraints have names.
    """

    def __init__(self, taken: Mapping[str, Iterable[str]], has_not_nulls: bool = False) -> None:
        self._has_not_nulls = has_not_nulls
        self._taken: defaultdict[str, set[str]] = defaultdict(set)
        for schema, names in taken.items():
            self._taken[schema].update(names)

    def named(self, table: WrittenTable) -> WrittenTable:
        """The table with a name for each key and sequence."""
        taken = self._taken[table.schema]
        keys, sequences = [], []
        for sequence in table.sequences:
            schema = sequence.schema or table.schema
            own_name = sequence.name or chosen_name(
                table.name, sequence.column, "seq", self._taken[schema]
            )
            self._taken[schema].add(own_name)
            sequences.append(replace(sequence, name=own_name, schema=schema))
        for key in table.keys:
            name = key.name
            if name is None or name in taken:
                joined = "" if key.kind == "p" else "_".join(key.columns)
                label = {"p": "pkey", "u": "key"}.get(key.kind, "idx")
                name = chosen_name(table.name, joined, label, taken)
            taken.add(name)
            keys.append(replace(key, name=name))
        not_nulls = []
        for column in table.columns if self._has_not_nulls else ():
            if column.not_null:
                chosen = chosen_name(table.name, column.name, "not_null", taken)
                taken.add(chosen)
                not_nulls.append((column.name, chosen))
        return replace(
            table, keys=tuple(keys), sequences=tuple(sequences), not_nulls=tuple(not_nulls)
        )

    def array_name(self, schema: str, name: str) -> str:
        """A name for the type of arrays of the rows of table `name`."""
        chosen = array_type_name(name, self._taken[schema])
        self._taken[schema].add(chosen)
        return chosen


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers of a class's written objects, by what they are of: tables and sequences by (schema,
    name), keys by (schema, key name)."""

    tables: Mapping[tuple[str, str], int]
    toasts: Mapping[tuple[str, str], int]
    toast_indexes: Mapping[tuple[str, str], int]
    row_types: Mapping[tuple[str, str], int]
    array_types: Mapping[tuple[str, str], int]
    indexes: Mapping[tuple[str, str], int]
    constraints: Mapping[tuple[str, str], int]
    sequences: Mapping[tuple[str, str], int]


def identifiers(tables: Iterable[WrittenTable]) -> list[str]:
    """Every name that a number follows from: Postgres knows which of them it quotes."""
    found: set[str] = set()
    for table in tables:
        found.update((table.schema, table.name))
        found.update(key.name for key in table.keys if key.name)
        found.update(name for _, name in table.not_nulls)
        for sequence in table.sequences:
            found.update(filter(None, (sequence.schema, sequence.name)))
    return sorted(found)


def numbered(
    tables: Sequence[WrittenTable], quoted: Mapping[str, str], taken: Mapping[str, Collection[int]]
) -> Numbers:
    """Numbers for named `tables`.

    `quoted`: quote_ident() of each of their identifiers; `taken`: numbers in use, by catalog.
    """

    def full(schema: str, name: str) -> str:
        return f"{quoted[schema]}.{quoted[name]}"

    places = [table.place for table in tables]
    full_names = {place: full(*place) for place in places}
    keys = [(table, key) for table in tables for key in table.keys]
    key_names = {(table.schema, str(key.name)): table.place for table, key in keys}
    sequences = {(str(one.schema), str(one.name)) for table in tables for one in table.sequences}
    relation_keys = {
        "table": {place: f"table {full_names[place]}" for place in places},
        "toast": {place: f"toast of table {full_names[place]}" for place in places},
        "toast index": {place: f"index of toast of table {full_names[place]}" for place in places},
        "index": {place: f"index {full(*place)}" for place in key_names},
        "sequence": {place: f"sequence {full(*place)}" for place in sequences},
    }
    type_keys = {
        "row": {place: f"type {full_names[place]}" for place in places},
        "array": {place: f"type {full_names[place]}[]" for place in places},
    }
    constraint_keys = {
        (table.schema, name): f"table constraint {quoted[name]} on {full_names[table.place]}"
        for table in tables
        for name in _constraint_names(table)
    }
    relations = numbers_of(
        (key for keys in relation_keys.values() for key in keys.values()), taken["pg_class"]
    )
    types = numbers_of((k for keys in type_keys.values() for k in keys.values()), taken["pg_type"])
    constraints = numbers_of(constraint_keys.values(), taken["pg_constraint"])
    by_kind = {
        kind: {place: relations[key] for place, key in keys.items()}
        for kind, keys in relation_keys.items()
    }
    return Numbers(
        tables=by_kind["table"],
        toasts=by_kind["toast"],
        toast_indexes=by_kind["toast index"],
        row_types={place: types[key] for place, key in type_keys["row"].items()},
        array_types={place: types[key] for place, key in type_keys["array"].items()},
        indexes=by_kind["index"],
        constraints={place: constraints[key] for place, key in constraint_keys.items()},
        sequences=by_kind["sequence"],
    )


def _constraint_names(table: WrittenTable) -> Iterator[str]:
    for key in table.keys:
        if key.kind in CONSTRAINT_KINDS:
            yield str(key.name)
    for _, name in table.not_nulls:
        yield name


def rows(
    tables: Iterable[WrittenTable],
    array_names: Mapping[tuple[str, str], str],
    numbers: Numbers,
    kinds: Mapping[str, Kind],
) -> Rows:
    """What to write for these tables, each named. `kinds` are the types of all their columns.

    In the order of their numbers, which is that of the catalogs' indexes.
    """
    found: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for table in sorted(tables, key=lambda table: numbers.tables[table.place]):
        place, oid = table.place, numbers.tables[table.place]
        has_toast = needs_toast(
            [(kinds[column.type_name], column.modifier) for column in table.columns]
        )
        found["tables"].append(
            (
                oid, table.name, table.schema, numbers.row_types[place],
                numbers.array_types[place], array_names[place],
                numbers.toasts[place] if has_toast else 0,
                numbers.toast_indexes[place] if has_toast else 0,
                len(table.columns), bool(table.keys),
            )
        )  # fmt: skip
        if table.comment is not None:
            found["comments"].append((oid, 0, table.comment))
        positions = {}
        for number, column in enumerate(table.columns, 1):
            positions[column.name] = number
            kind = kinds[column.type_name]
            found["columns"].append(
                (
                    oid, column.name, number, kind.oid, column.modifier, column.not_null,
                    column.identity, column.dimensions, column.collation,
                )
            )  # fmt: skip
            if kind.oid >= FIRST_OWN_OID:
                found["uses"].append((oid, number, kind.oid))
            if column.comment is not None:
                found["comments"].append((oid, number, column.comment))
        for key in table.keys:
            named = (table.schema, str(key.name))
            attribute_numbers = " ".join(str(positions[name]) for name in key.columns)
            constraint = numbers.constraints[named] if key.kind in CONSTRAINT_KINDS else 0
            found["keys"].append(
                (
                    numbers.indexes[named], key.name, table.schema, constraint, oid,
                    attribute_numbers, key.kind,
                )
            )  # fmt: skip
        for column_name, name in table.not_nulls:
            constraint = numbers.constraints[table.schema, name]
            found["not nulls"].append((constraint, name, table.schema, oid, positions[column_name]))
        for one in table.sequences:
            found["sequences"].append(
                (
                    numbers.sequences[str(one.schema), str(one.name)], one.name, one.schema, oid,
                    positions[one.column], one.is_identity, one.type_name, one.start, one.step,
                    one.highest, one.lowest, one.cache, one.cycles,
                )
            )  # fmt: skip
    return {group: list(zip(*made, strict=True)) for group, made in found.items()}


def needs_toast(columns: Sequence[tuple[Kind, int]]) -> bool:
    """Whether Postgres makes a toast table for columns of these types and modifiers
    (src/backend/access/heap/heapam_handler.c, heapam_relation_needs_toast_table)."""
    if all(kind.storage == "p" for kind, _ in columns):
        return False
    size = 0
    for kind, modifier in columns:
        longest = kind.size if kind.size > 0 else _longest(kind.oid, modifier)
        if longest is None:
            return True
        size += longest
    header = _ROW_HEADER_BYTES + (len(columns) + 7) // 8
    return _aligned(header) + _aligned(size) > TOAST_ROW_BYTES


def _longest(oid: int, modifier: int) -> int | None:
    """Bytes of the longest value (src/backend/utils/adt/format_type.c, type_maximum_size)."""
    if modifier < 0:
        return None
    if oid in _CHARACTER_TYPES:
        return (modifier - _MODIFIER_HEADER) * _CHARACTER_BYTES_MAX + _MODIFIER_HEADER
    if oid in _BIT_TYPES:
        return (modifier + 7) // 8 + 2 * _MODIFIER_HEADER
    if oid == _NUMERIC:
        # Groups of four digits, one more for each side of the point (numeric_maximum_size).
        digits = ((modifier - _MODIFIER_HEADER) >> 16 & 0xFFFF) + 6
        return 8 + digits // 4 * 2
    return None


def _aligned(size: int) -> int:
    return (size + 7) // 8 * 8
