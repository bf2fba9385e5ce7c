"""The DDL that shows a ClassCatalog in an empty database: pure, text out.

INVARIANT I7: only what the class may see is printed. So constraint names are left to Postgres (a
name such as `uq_email_salary` tells of a column), defaults, CHECK and generation expressions are
left out, keys appear only when all their columns are visible and unmasked, views have a body that
tells nothing, and the visible columns are numbered without gaps.

This file must not know connections or policies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from proxy.catalog.stand_in import stand_in_types, stand_ins
from proxy.catalog.virtual import (
    CatalogError,
    ClassCatalog,
    Column,
    ForeignKey,
    TypeDefinition,
    VisibleRelation,
)
from proxy.catalog.written import WrittenColumn, WrittenKey, WrittenSequence, WrittenTable
from proxy.wire.type_oids import FIRST_OWN_OID

FOREIGN_SERVER: Final = "remote"  # a foreign table needs some server; its name tells nothing
STANDARD_COLLATIONS: Final = frozenset({"C", "POSIX"})  # those that every Postgres has
# A draft may have got it with another foreign table.
_ONCE: Final = "DO $$ BEGIN {}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
# Postgres would scan tables that have no storage. There are no rows in them that could break it.
_VALIDATED: Final = (
    "SET LOCAL allow_system_table_mods = on",
    "UPDATE pg_catalog.pg_constraint SET convalidated = true WHERE NOT convalidated",
)
SEQUENCE_MAXIMA: Final = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
NAME_OID: Final = 19  # its indexes hold values of another type
_KEYED_KINDS: Final = "rp"  # relation kinds that are shown as tables, and may so carry keys
_ACTIONS: Final = {
    "a": "NO ACTION",
    "r": "RESTRICT",
    "c": "CASCADE",
    "n": "SET NULL",
    "d": "SET DEFAULT",
}


def quote_identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(value: str) -> str:
    """`value` as an SQL string literal, under any setting of standard_conforming_strings."""
    quoted = "'" + value.replace("'", "''").replace("\\", "\\\\") + "'"
    return "E" + quoted if "\\" in value else quoted


def qualified(schema: str, name: str) -> str:
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"


def type_definition(catalog: ClassCatalog) -> list[str]:
    """Statements that make the types that the class's columns have outside pg_catalog, in order.

    Extensions' types become stand-ins. Raises CatalogError when two sources define one type
    differently.
    """
    types = _merged_types(catalog)
    stand_ins = {oid for oid, found in types.items() if found.kind not in "edc" or found.extension}
    schemas = sorted({found.schema for found in types.values()} - {"public"})
    statements = [f"CREATE SCHEMA {quote_identifier(schema)}" for schema in schemas]
    statements += _types(types, stand_ins, ())
    statements += [f"GRANT USAGE ON SCHEMA {quote_identifier(one)} TO PUBLIC" for one in schemas]
    return statements


@dataclass(frozen=True, slots=True)
class Definition:
    """What builds a class in a database made from the bare template, in this order.

    `types` are statements that make schemas and types, `operators` those that give stand-ins their
    functions, `written` the tables that are written straight into the catalogs, `objects` whatever
    else needs a statement, `dependents` what holds the numbers of others inside a stored
    expression: before it the others have got theirs.
    """

    types: tuple[str, ...]
    operators: tuple[str, ...]
    written: tuple[WrittenTable, ...]
    objects: tuple[str, ...]
    dependents: tuple[str, ...]
    relation_names: frozenset[tuple[str, str]] = frozenset()
    """(schema, name) of all relations of the class."""


def definition(
    catalog: ClassCatalog,
    extensions: Collection[str] = (),
    only: Collection[tuple[str, str]] | None = None,
) -> Definition:
    """How to build `catalog`.

    `extensions` are those that the shadow's own installation can create: types of any other become
    stand-ins. So does a trusted extension without a review, for it may hold what is not listed.
    `only` leaves out all statements for other relations; those that would be written are in
    `written` without their columns, as their names and numbers are chosen together.
    Everything is granted to PUBLIC: only the class's own role may connect. Raises CatalogError when
    two sources define one type differently.
    """
    types = _merged_types(catalog)
    extensions = set(extensions) - {one.name for one in catalog.extensions if not one.is_reviewed}
    missing = [one for one in catalog.extensions if one.name not in extensions]
    own = {(one.schema, kind.name) for one in missing for kind in one.types}
    plain = {
        oid
        for oid, kind in types.items()
        if kind.kind not in "edc" and (kind.extension is None or kind.extension not in extensions)
    }
    stand_in_names = {(types[oid].schema, types[oid].name) for oid in plain}
    namers = {
        source: _Namer(own_types, stand_in_names) for source, own_types in catalog.types.items()
    }

    def namer_of(relation: VisibleRelation) -> _Namer:
        return namers.get(relation.relation.source) or _Namer({}, stand_in_names)

    def is_wanted(relation: VisibleRelation) -> bool:
        return only is None or (relation.schema, relation.name) in only

    relations = list(catalog.relations.values())
    written = [one for one in relations if _is_written(one, namer_of(one))]
    stated = [one for one in relations if is_wanted(one) and not _is_written(one, namer_of(one))]
    before = list(_schemas(catalog, types.values()))
    before += _extensions(types.values(), extensions)
    before += (text for one in missing for text in stand_in_types(one))
    others = {oid: kind for oid, kind in types.items() if (kind.schema, kind.name) not in own}
    before += _types(others, plain, extensions)
    operators = tuple(text for one in missing for text in stand_ins(one))
    objects = []
    if any(relation.relation.kind == "f" for relation in stated):
        objects.append(_ONCE.format("CREATE FOREIGN DATA WRAPPER remote"))
        objects.append(_ONCE.format(f"CREATE SERVER {FOREIGN_SERVER} FOREIGN DATA WRAPPER remote"))
    objects += (_relation(one, namer_of(one)) for one in stated if not _is_view(one))
    for relation in relations if only is None else ():
        objects += _foreign_keys(catalog, relation)
    if objects:
        objects += _VALIDATED
    dependents = [_relation(one, namer_of(one)) for one in stated if _is_view(one)]
    for relation in stated:
        dependents += _comments(relation)
    dependents += (
        f"GRANT SELECT ON {qualified(relation.schema, relation.name)} TO PUBLIC"
        for relation in stated
    )
    return Definition(
        tuple(before),
        operators,
        tuple(_written(one, namer_of(one), is_wanted(one)) for one in written),
        tuple(objects),
        tuple(dependents),
        frozenset(catalog.relations),
    )


def _is_view(relation: VisibleRelation) -> bool:
    """Whether it is made by a query. A view without columns is shown as a table."""
    return relation.relation.kind in "vm" and bool(relation.columns)


def _merged_types(catalog: ClassCatalog) -> dict[int, TypeDefinition]:
    """All sources' types by a key of our own; equal ones once."""
    merged: dict[tuple[str, str], TypeDefinition] = {}
    for by_oid in catalog.types.values():
        for found in by_oid.values():
            if found.schema == "information_schema" or found.is_row_type:
                continue  # the former exist everywhere; a table's row type would tell the table
            known = merged.setdefault((found.schema, found.name), found)
            if (known.kind, known.labels, known.base_type_name) != (
                found.kind,
                found.labels,
                found.base_type_name,
            ):
                raise CatalogError(
                    f"two sources define the type `{found.schema}.{found.name}` differently:"
                    " hide the columns of one of them"
                )
    return {found.oid: found for found in merged.values()}


def _schemas(catalog: ClassCatalog, types: Iterable[TypeDefinition]) -> Iterator[str]:
    names = catalog.schemas | {found.schema for found in types}
    for name in sorted(names):
        if name != "public":
            yield f"CREATE SCHEMA {quote_identifier(name)}"
            yield f"GRANT USAGE ON SCHEMA {quote_identifier(name)} TO PUBLIC"
        comment = catalog.schema_comments.get(name)
        if comment is not None:
            yield f"COMMENT ON SCHEMA {quote_identifier(name)} IS {quote_literal(comment)}"


def _extensions(types: Iterable[TypeDefinition], available: Collection[str]) -> Iterator[str]:
    wanted = {found.extension: found.schema for found in types if found.extension in available}
    for name, schema in sorted((name, schema) for name, schema in wanted.items() if name):
        yield (f"CREATE EXTENSION {quote_identifier(name)} WITH SCHEMA {quote_identifier(schema)}")


def _types(
    types: dict[int, TypeDefinition], stand_ins: Collection[int], available: Collection[str]
) -> Iterator[str]:
    """Definitions in dependency order: a composite's or domain's own types come before it."""
    by_array = {found.array_oid: oid for oid, found in types.items()}
    done: set[int] = set()

    def emit(oid: int) -> Iterator[str]:
        found = types.get(by_array.get(oid, oid))
        if found is None or found.oid in done:
            return
        done.add(found.oid)
        yield from emit(found.base_type_oid)
        for attribute in found.attributes:
            yield from emit(attribute.type_oid)
        if found.extension is None or found.extension not in available:
            yield _type(found, found.oid in stand_ins)

    for oid in types:
        yield from emit(oid)


def _type(found: TypeDefinition, is_stand_in: bool) -> str:
    name = qualified(found.schema, found.name)
    if is_stand_in:
        # A domain over text: compares, prints and casts as text does, which is how values of a type
        # that this Postgres does not have can be shown at all.
        return f"CREATE DOMAIN {name} AS pg_catalog.text"
    if found.kind == "e":
        return f"CREATE TYPE {name} AS ENUM ({', '.join(map(quote_literal, found.labels))})"
    if found.kind == "d":
        not_null = " NOT NULL" if found.not_null else ""
        return f"CREATE DOMAIN {name} AS {found.base_type_name}{not_null}"
    attributes = (f"{quote_identifier(a.name)} {a.type_name}" for a in found.attributes)
    return f"CREATE TYPE {name} AS ({', '.join(attributes)})"


class _Namer:
    """How the column types of one source are written in the shadow."""

    def __init__(
        self, types: Mapping[int, TypeDefinition], stand_ins: Collection[tuple[str, str]]
    ) -> None:
        self._types = types
        self._stand_ins = stand_ins

    def definition(self, column: Column) -> TypeDefinition | None:
        """The type of the column, or of its elements, unless it is built in."""
        return self._types.get(column.element_oid) or self._types.get(column.type_oid)

    def is_stand_in(self, found: TypeDefinition) -> bool:
        """Whether values of the type are shown as texts: it takes no modifier then."""
        return found.is_row_type or (found.schema, found.name) in self._stand_ins

    def type_name(self, column: Column) -> str:
        found = self.definition(column)
        suffix = "[]" if column.element_oid else ""
        if found is None:
            return column.type_name
        if found.is_row_type:
            return f"pg_catalog.text{suffix}"
        if (found.schema, found.name) in self._stand_ins:
            return qualified(found.schema, found.name) + suffix  # a stand-in takes no modifier
        return column.type_name


def _is_written(relation: VisibleRelation, namer: _Namer) -> bool:
    """Whether nothing about the table needs a statement of its own."""
    if relation.relation.kind == "f" or _is_view(relation):
        return False
    keys = {name for key in (relation.primary_key, *relation.unique_keys) for name in key}
    for column in relation.columns:
        if column.is_masked and "(" in column.type_name:
            return False  # only Postgres knows what number the modifier is
        if column.name in keys and not _is_plainly_ordered(column, namer):
            return False
    return True


def _is_plainly_ordered(column: Column, namer: _Namer) -> bool:
    """Whether `written_rows` finds the operator class that an index over the column has."""
    found = namer.definition(column)
    if found is None:
        return column.type_oid != NAME_OID
    if found.kind == "d":
        return found.base_type_oid < FIRST_OWN_OID
    return found.kind == "e"


def _written(relation: VisibleRelation, namer: _Namer, is_wanted: bool = True) -> WrittenTable:
    columns: list[WrittenColumn] = []
    sequences = []
    has_identity = relation.relation.kind in _KEYED_KINDS
    for column in relation.columns:
        if not (is_wanted or column.identity):
            continue
        found = namer.definition(column)
        is_stand_in = found is not None and namer.is_stand_in(found)
        collation = column.collation if column.collation in STANDARD_COLLATIONS else None
        identity = column.identity if has_identity else ""
        columns.append(
            WrittenColumn(
                column.name,
                namer.type_name(column),
                -1 if is_stand_in else column.typmod,
                column.not_null or bool(identity),
                identity,
                column.dimensions or int(bool(column.element_oid)),
                collation,
                column.comment,
            )
        )
        if identity:
            highest = SEQUENCE_MAXIMA[column.type_name]
            sequences.append(WrittenSequence(column.name, True, column.type_name, highest=highest))
    keys = [WrittenKey("u", columns) for columns in relation.unique_keys]
    if relation.primary_key:
        keys.insert(0, WrittenKey("p", relation.primary_key))
    not_null = set(relation.primary_key)
    return WrittenTable(
        relation.schema,
        relation.name,
        tuple(replace(one, not_null=one.not_null or one.name in not_null) for one in columns),
        relation.comment,
        tuple(keys) if relation.relation.kind in _KEYED_KINDS else (),
        tuple(sequences),
    )


def _relation(relation: VisibleRelation, namer: _Namer) -> str:
    name = qualified(relation.schema, relation.name)
    kind = relation.relation.kind
    if _is_view(relation):
        nulls = ", ".join(
            f"NULL::{namer.type_name(column)}{_collation(column)} AS {_names([column.name])}"
            for column in relation.columns
        )
        if kind == "v":
            return f"CREATE VIEW {name} AS SELECT {nulls}"
        return f"CREATE MATERIALIZED VIEW {name} AS SELECT {nulls} WITH NO DATA"
    parts = [_column(column, namer, kind) for column in relation.columns]
    if kind == "f":
        return f"CREATE FOREIGN TABLE {name} ({', '.join(parts)}) SERVER {FOREIGN_SERVER}"
    if relation.primary_key:
        parts.append(f"PRIMARY KEY ({_names(relation.primary_key)})")
    parts += [f"UNIQUE ({_names(key)})" for key in relation.unique_keys]
    return f"CREATE TABLE {name} ({', '.join(parts)})"


def _column(column: Column, namer: _Namer, kind: str) -> str:
    text = f"{quote_identifier(column.name)} {namer.type_name(column)}{_collation(column)}"
    if column.identity and kind in _KEYED_KINDS:
        always = "ALWAYS" if column.identity == "a" else "BY DEFAULT"
        return f"{text} GENERATED {always} AS IDENTITY"
    return text + (" NOT NULL" if column.not_null else "")


def _collation(column: Column) -> str:
    if column.collation not in STANDARD_COLLATIONS or column.collation is None:
        return ""  # ICU and operating system collations need not exist here
    return f" COLLATE pg_catalog.{quote_identifier(column.collation)}"


def _names(columns: Iterable[str]) -> str:
    return ", ".join(map(quote_identifier, columns))


def _comments(relation: VisibleRelation) -> Iterator[str]:
    word = {"v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE"}
    name = qualified(relation.schema, relation.name)
    comment = relation.comment
    if comment is not None:
        kind = word.get(relation.relation.kind, "TABLE")
        yield f"COMMENT ON {kind} {name} IS {quote_literal(comment)}"
    for column in relation.columns:
        if column.comment is not None:
            target = f"{name}.{quote_identifier(column.name)}"
            yield f"COMMENT ON COLUMN {target} IS {quote_literal(column.comment)}"


def _foreign_keys(catalog: ClassCatalog, relation: VisibleRelation) -> Iterator[str]:
    if relation.relation.kind not in _KEYED_KINDS:
        return
    for key in relation.relation.foreign_keys:
        referenced = catalog.resolve(key.referenced_schema, key.referenced_name)
        if referenced is not None and _is_shown(key, relation, referenced):
            yield (
                f"ALTER TABLE {qualified(relation.schema, relation.name)} ADD FOREIGN KEY"
                f" ({_names(key.columns)}) REFERENCES"
                f" {qualified(referenced.schema, referenced.name)}"
                f" ({_names(key.referenced_columns)})"
                f" ON UPDATE {_ACTIONS[key.on_update]} ON DELETE {_ACTIONS[key.on_delete]}"
                " NOT VALID"
            )


def _is_shown(key: ForeignKey, relation: VisibleRelation, referenced: VisibleRelation) -> bool:
    """Whether both ends are visible and unmasked, and the far end carries a key to refer to."""
    keys = {frozenset(columns) for columns in (referenced.primary_key, *referenced.unique_keys)}
    return (
        relation.has_clear(key.columns)
        and referenced.relation.source == relation.relation.source
        and referenced.relation.kind in _KEYED_KINDS
        and frozenset(key.referenced_columns) in keys
    )
