"""Reads what exists in a live PostgreSQL 14-18 into a `SourceCatalog`.

One repeatable-read, read-only transaction, five queries, whatever the number of relations. The
connection is the caller's; this file must not know credentials, policies, or who may see what.
Templates are buildpg's: every value is a parameter.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import asyncpg
from buildpg import Func, Not, S, V, funcs, render

from proxy.catalog.extension import TrustedExtension
from proxy.catalog.introspect_extension import introspect_extensions
from proxy.catalog.virtual import (
    CatalogError,
    Column,
    ForeignKey,
    Relation,
    SourceCatalog,
    TextRules,
    TypeAttribute,
    TypeDefinition,
)

SERVER_MAJOR_MIN: Final = 14
SERVER_MAJOR_MAX: Final = 18  # the classification of functions and operators covers 14-18
RELATION_KINDS: Final = ("r", "p", "m", "v", "f")
RELATIONS_MAX: Final = 20_000  # one catalog in memory is about 20 kB per relation of 20 columns
DEFAULT_COLLATION_OID: Final = 100  # pg_collation.dat

# `pg_` is reserved for the system (CREATE SCHEMA refuses it), so this excludes no user schema.
_RELATIONS = """
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
       c.relispartition AS is_partition, d.description AS comment
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description d
  ON d.objoid = c.oid AND d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0
WHERE :where
ORDER BY n.nspname, c.relname
LIMIT :relations_max
"""

_COLUMNS = """
WITH RECURSIVE domain_base(oid, base) AS (
    SELECT t.oid, t.oid FROM pg_catalog.pg_type t WHERE t.typtype <> 'd'
  UNION ALL
    SELECT t.oid, b.base FROM pg_catalog.pg_type t JOIN domain_base b ON t.typbasetype = b.oid
    WHERE t.typtype = 'd'
)
SELECT a.attrelid::bigint AS relation_oid, a.attname AS name, a.atttypid::bigint AS type_oid,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name, a.attnum AS position,
       a.atttypmod AS typmod, a.attndims AS dimensions, a.attnotnull AS not_null,
       a.attgenerated::text AS generated,
       a.attidentity::text AS identity, l.collname AS collation_name,
       ln.nspname AS collation_schema, a.attcollation::bigint AS collation_oid,
       t.typcollation::bigint AS type_collation_oid,
       coalesce(l.collisdeterministic, true) AS is_deterministic, t.typtype::text AS type_kind,
       b.base::bigint AS base_type_oid, d.description AS comment,
       CASE WHEN t.typcategory = 'A' THEN t.typelem::bigint ELSE 0 END AS element_oid
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN domain_base b ON b.oid = t.oid
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
LEFT JOIN pg_catalog.pg_description d
  ON d.objoid = a.attrelid AND d.classoid = 'pg_catalog.pg_class'::regclass
 AND d.objsubid = a.attnum
WHERE a.attrelid = ANY(:oids::bigint[]::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

# Keys over anything but a b-tree (WITHOUT OVERLAPS, PERIOD) do not say that values are unique.
_KEYS = """
SELECT k.conrelid::bigint AS relation_oid, k.contype::text AS kind, k.conname AS name,
       k.confrelid::bigint AS referenced_oid, k.confupdtype::text AS on_update,
       k.confdeltype::text AS on_delete,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
             ORDER BY u.place) AS columns,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number
             ORDER BY u.place) AS referenced_columns
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class i ON i.oid = k.conindid
JOIN pg_catalog.pg_am m ON m.oid = i.relam AND m.amname = 'btree'
WHERE k.contype IN ('p', 'u', 'f') AND k.conrelid = ANY(:oids::bigint[]::oid[])
ORDER BY k.conrelid, k.conname
"""

_TYPES = """
SELECT t.oid::bigint AS oid, n.nspname AS schema, t.typname AS name, t.typtype::text AS kind,
       t.typarray::bigint AS array_oid, t.typcategory::text AS category, t.typlen AS size,
       t.typbasetype::bigint AS base_type_oid, t.typnotnull AS not_null,
       CASE WHEN t.typtype = 'd'
            THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END AS base_type_name,
       coalesce(c.relkind <> 'c', false) AS is_row_type, x.extname AS extension,
       pg_catalog.obj_description(t.oid, 'pg_type') AS comment,
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e
             WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
       ARRAY(SELECT pg_catalog.json_build_object('name', a.attname, 'oid', a.atttypid::bigint,
                 'type', pg_catalog.format_type(a.atttypid, a.atttypmod))::text
             FROM pg_catalog.pg_attribute a
             WHERE c.relkind = 'c' AND a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY a.attnum) AS attributes
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
LEFT JOIN pg_catalog.pg_depend d ON d.objid = t.oid AND d.deptype = 'e'
  AND d.classid = 'pg_catalog.pg_type'::regclass
  AND d.refclassid = 'pg_catalog.pg_extension'::regclass
LEFT JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
WHERE n.nspname <> 'pg_catalog' AND t.typcategory <> 'A'
  AND (n.nspname <> 'information_schema' OR t.typtype = 'd')
ORDER BY t.oid
"""

_SCHEMAS = """
SELECT n.nspname AS name, pg_catalog.obj_description(n.oid, 'pg_namespace') AS comment
FROM pg_catalog.pg_namespace n WHERE n.nspname = ANY(:names)
"""

_DATABASE = """
SELECT pg_catalog.to_jsonb(d) FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()
"""


async def introspect(
    connection: asyncpg.Connection,
    source: str,
    schemas: Sequence[str] | None = None,
    extensions: Sequence[TrustedExtension] = (),
) -> SourceCatalog:
    """Everything of `source` outside the system schemas; `schemas` narrows it to those.
    `extensions` are those that the operator trusts.

    Raises CatalogError for a server older than 14 or newer than 18, or with more than
    RELATIONS_MAX relations; asyncpg's own errors when the connection fails.
    """
    version = int(await connection.fetchval("SHOW server_version_num"))
    _check_version(source, version)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        # format_type() qualifies a type's name unless it is on the path: keep nothing on it.
        await connection.execute("SET LOCAL search_path TO pg_catalog")
        relations = await _fetch(
            connection, _RELATIONS, where=_relation_filter(schemas), relations_max=RELATIONS_MAX + 1
        )
        if len(relations) > RELATIONS_MAX:
            raise CatalogError(
                f"source `{source}` has more than {RELATIONS_MAX} relations: name schemas"
            )
        oids = [row["oid"] for row in relations]
        columns = await _fetch(connection, _COLUMNS, oids=oids)
        keys = await _fetch(connection, _KEYS, oids=oids)
        types = await _fetch(connection, _TYPES)
        names = sorted({row["schema"] for row in relations})
        comments = await _fetch(connection, _SCHEMAS, names=names)
        trusted = await introspect_extensions(connection, source, extensions) if extensions else ()
        database = await connection.fetchval(_DATABASE)
    made = _relations(source, relations, columns, keys)
    return SourceCatalog(
        source=source,
        server_version=version,
        relations={relation.key: relation for relation in made},
        types=_used_types(
            {row["oid"]: _type(row) for row in types}, made, {one.name for one in trusted}
        ),
        schema_comments={row["name"]: row["comment"] for row in comments},
        extensions=trusted,
        text_rules=text_rules(json.loads(database)),
    )


def text_rules(database: Mapping[str, str | None]) -> TextRules:
    """The rules of texts of a row of pg_database, whatever its version calls the columns.

    PostgreSQL documentation, 53.15 pg_database: datlocprovider since 15 (c libc, i ICU, b builtin),
    daticulocale in 15 and 16, datlocale since 17.
    """
    provider = database.get("datlocprovider") or "c"
    locale = database.get("datlocale") or database.get("daticulocale") or ""
    if provider == "i":
        return TextRules(f"icu:{locale}", f"icu:{locale}")
    if provider == "b":
        return TextRules("C", "C" if locale == "C" else f"builtin:{locale}")
    collate, ctype = database.get("datcollate") or "C", database.get("datctype") or "C"
    return TextRules(_libc(collate, is_order=True), _libc(ctype, is_order=False))


def _libc(name: str, *, is_order: bool) -> str:
    """One spelling for locales that are one: C.UTF-8 orders by code point as C does."""
    language, _, encoding = name.partition(".")
    is_utf8 = encoding.lower() in ("utf8", "utf-8")
    if language in ("C", "POSIX") and (not encoding or (is_order and is_utf8)):
        return "C"
    return f"{language}.UTF-8" if is_utf8 else name


def _check_version(source: str, version: int) -> None:
    major = version // 10_000
    if not SERVER_MAJOR_MIN <= major <= SERVER_MAJOR_MAX:
        raise CatalogError(
            f"source `{source}` runs PostgreSQL {major}; supported are"
            f" {SERVER_MAJOR_MIN} to {SERVER_MAJOR_MAX}"
        )


def _relation_filter(schemas: Sequence[str] | None) -> Any:
    condition = (
        (V("c.relkind") == funcs.any(S(list(map(str.encode, RELATION_KINDS)))))
        & Not(Func("pg_catalog.starts_with", V("n.nspname").cast("text"), S("pg_")))
        & (V("n.nspname") != "information_schema")
    )
    if schemas is not None:
        condition &= V("n.nspname") == funcs.any(S(list(schemas)))
    return condition


async def _fetch(
    connection: asyncpg.Connection, template: str, **values: object
) -> list[asyncpg.Record]:
    sql, arguments = render(template, **values)
    rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
    return rows


def _relations(
    source: str,
    relations: Sequence[Mapping[str, Any]],
    columns: Iterable[Mapping[str, Any]],
    keys: Iterable[Mapping[str, Any]],
) -> list[Relation]:
    columns_of: dict[int, list[Column]] = defaultdict(list)
    for row in columns:
        columns_of[row["relation_oid"]].append(_column(row))
    keys_of: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in keys:
        keys_of[row["relation_oid"]].append(row)
    place_of = {row["oid"]: (row["schema"], row["name"]) for row in relations}
    made = []
    for row in relations:
        own = keys_of[row["oid"]]
        primary = next((key for key in own if key["kind"] == "p"), None)
        own_columns = tuple(columns_of[row["oid"]])
        made.append(
            Relation(
                source=source,
                schema=row["schema"],
                name=row["name"],
                kind=row["kind"],
                columns=own_columns,
                oid=row["oid"],
                primary_key=tuple(primary["columns"]) if primary else (),
                unique_keys=tuple(tuple(key["columns"]) for key in own if key["kind"] == "u"),
                foreign_keys=tuple(_foreign_keys(own, place_of)),
                comment=row["comment"],
                is_partition=row["is_partition"],
                fingerprint=_fingerprint(row, own_columns),
            )
        )
    return made


def _foreign_keys(
    keys: Iterable[Mapping[str, Any]], place_of: Mapping[int, tuple[str, str]]
) -> Iterable[ForeignKey]:
    for key in keys:
        referenced = place_of.get(key["referenced_oid"])
        if key["kind"] == "f" and referenced is not None:
            yield ForeignKey(
                name=key["name"],
                columns=tuple(key["columns"]),
                referenced_schema=referenced[0],
                referenced_name=referenced[1],
                referenced_columns=tuple(key["referenced_columns"]),
                on_update=key["on_update"],
                on_delete=key["on_delete"],
            )


def _column(row: Mapping[str, Any]) -> Column:
    is_default = row["collation_oid"] in (0, row["type_collation_oid"], DEFAULT_COLLATION_OID)
    return Column(
        name=row["name"],
        type_oid=row["type_oid"],
        type_name=row["type_name"],
        position=row["position"],
        typmod=row["typmod"],
        not_null=row["not_null"],
        generated=row["generated"],
        identity=row["identity"],
        collation=None if is_default else row["collation_name"],
        is_deterministic=row["is_deterministic"],
        type_kind=row["type_kind"],
        base_type_oid=row["base_type_oid"],
        element_oid=row["element_oid"],
        comment=row["comment"],
        dimensions=row["dimensions"],
    )


def _fingerprint(row: Mapping[str, Any], columns: Iterable[Column]) -> str:
    """Hex SHA-256 over what the guard relies on; comments and keys may change without drift."""
    told = [row["oid"], row["schema"], row["name"], row["kind"]]
    told += [
        (c.name, c.type_oid, c.type_name, c.position, c.generated, c.collation, c.is_deterministic)
        for c in columns
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _type(row: Mapping[str, Any]) -> TypeDefinition:
    attributes = (json.loads(text) for text in row["attributes"])
    return TypeDefinition(
        oid=row["oid"],
        schema=row["schema"],
        name=row["name"],
        kind=row["kind"],
        array_oid=row["array_oid"],
        category=row["category"],
        size=row["size"],
        labels=tuple(row["labels"]),
        attributes=tuple(TypeAttribute(a["name"], a["oid"], a["type"]) for a in attributes),
        base_type_oid=row["base_type_oid"],
        base_type_name=row["base_type_name"],
        not_null=row["not_null"],
        is_row_type=row["is_row_type"],
        extension=row["extension"],
        comment=row["comment"],
    )


def _used_types(
    types: Mapping[int, TypeDefinition], relations: Iterable[Relation], trusted: Collection[str]
) -> dict[int, TypeDefinition]:
    """The types that columns use, and those inside, and those of trusted extensions: a source may
    define thousands of others."""
    by_array = {definition.array_oid: oid for oid, definition in types.items()}
    pending = {column.type_oid for relation in relations for column in relation.columns}
    pending |= {oid for oid, found in types.items() if found.extension in trusted}
    used: dict[int, TypeDefinition] = {}
    while pending:
        oid = pending.pop()
        definition = types.get(by_array.get(oid, oid))
        if definition is None or definition.oid in used:
            continue
        used[definition.oid] = definition
        pending.add(definition.base_type_oid)
        pending.update(attribute.type_oid for attribute in definition.attributes)
    return used
