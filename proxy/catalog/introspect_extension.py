"""Reads what a live PostgreSQL has of the extensions that the operator trusts.

Only what may be used is read: the shadow gets stand-ins for exactly that, so that it refuses the
rest as PostgreSQL refuses what does not exist. Raises CatalogError where an extension cannot be
trusted as it is installed: the source finds operators by its search path, on which the extension's
schema then stands, and anything else there would be found as well.

The connection is the caller's; this file must not know credentials or policies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import asyncpg

from proxy.catalog.extension import (
    Extension,
    ExtensionCast,
    ExtensionFunction,
    ExtensionOperator,
    ExtensionOrder,
    ExtensionType,
    TrustedExtension,
)
from proxy.catalog.virtual import CatalogError

# Estimators of selectivity that give a constant; any other may run the operator on statistics
# (src/backend/utils/adt/selfuncs.c, geo_selfuncs.c).
_QUIET_ESTIMATORS: Final = frozenset(
    {
        "-", "areasel", "areajoinsel", "contsel", "contjoinsel", "positionsel", "positionjoinsel",
    }
)  # fmt: skip
_UNWRITABLE: Final = frozenset({"internal", "cstring", "cstring[]", "trigger", "event_trigger"})

_EXTENSIONS = """
SELECT x.oid, x.extname AS name, n.nspname AS schema, x.extversion AS version
FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
WHERE x.extname = ANY($1::text[])
"""

_MEMBERS = """
SELECT d.objid FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass
AND d.refobjid = $1 AND d.deptype = 'e' AND d.classid = 'pg_catalog.{}'::regclass
"""

_TYPES = """
SELECT t.typname AS name, t.typcategory::text AS category, t.typispreferred AS is_preferred,
       t.typcollation <> 0 AS is_collatable
FROM pg_catalog.pg_type t
WHERE t.oid IN ({members}) AND t.typtype = 'b' AND t.typcategory <> 'A' ORDER BY t.typname
"""

_FUNCTIONS = """
SELECT p.proname AS name, p.prokind::text AS kind, p.proretset AS returns_set,
       p.pronargdefaults AS defaults, p.provariadic <> 0 AS is_variadic,
       pg_catalog.format_type(p.prorettype, NULL) AS result,
       coalesce(p.proargnames, '{{}}')::text[] AS names, p.proargmodes::text[] AS modes,
       ARRAY(SELECT pg_catalog.format_type(u.kind, NULL)
             FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY u(kind, place)
             ORDER BY u.place) AS arguments,
       ARRAY(SELECT pg_catalog.format_type(u.kind, NULL)
             FROM unnest(p.proallargtypes) WITH ORDINALITY u(kind, place)
             ORDER BY u.place) AS all_types
FROM pg_catalog.pg_proc p WHERE p.oid IN ({members}) AND p.prokind <> 'p'
ORDER BY p.proname, p.oid
"""

_SIGNATURE = """
(SELECT p.proname || '(' || coalesce((SELECT string_agg(pg_catalog.format_type(u.kind, NULL), ','
        ORDER BY u.place) FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY u(kind, place)), '')
        || ')' FROM pg_catalog.pg_proc p WHERE p.oid = {})
"""

_OPERATORS = """
SELECT o.oprname AS name, o.oprrest::regproc::text AS restriction, o.oprjoin::regproc::text AS join,
       CASE WHEN o.oprleft = 0 THEN '' ELSE pg_catalog.format_type(o.oprleft, NULL) END AS left,
       pg_catalog.format_type(o.oprright, NULL) AS right, {function} AS function
FROM pg_catalog.pg_operator o WHERE o.oid IN ({members}) ORDER BY o.oprname, o.oid
"""

_CASTS = """
SELECT pg_catalog.format_type(c.castsource, NULL) AS source,
       pg_catalog.format_type(c.casttarget, NULL) AS target, c.castcontext::text AS context,
       CASE WHEN c.castfunc <> 0 THEN {function} END AS function
FROM pg_catalog.pg_cast c WHERE c.oid IN ({members}) AND c.castsource <> c.casttarget
ORDER BY 1, 2
"""

_ORDERS = """
SELECT pg_catalog.format_type(k.opcintype, NULL) AS type_name, {function} AS comparison,
       ARRAY(SELECT a.amopstrategy || ' ' || o.oprname FROM pg_catalog.pg_amop a
             JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr
             WHERE a.amopfamily = k.opcfamily AND a.amoplefttype = k.opcintype
               AND a.amoprighttype = k.opcintype ORDER BY a.amopstrategy) AS operators
FROM pg_catalog.pg_opclass k
JOIN pg_catalog.pg_am m ON m.oid = k.opcmethod AND m.amname = 'btree'
JOIN pg_catalog.pg_amproc s ON s.amprocfamily = k.opcfamily AND s.amproclefttype = k.opcintype
  AND s.amprocrighttype = k.opcintype AND s.amprocnum = 1
WHERE k.oid IN ({members}) AND k.opcdefault ORDER BY 1
"""

_STRANGERS = """
SELECT 'operator ' || o.oprname AS name FROM pg_catalog.pg_operator o
JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
WHERE n.nspname = ANY($1::text[]) AND o.oid NOT IN (
    SELECT d.objid FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_operator'::regclass AND d.deptype = 'e'
      AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = ANY($2::oid[]))
UNION ALL
SELECT 'function ' || p.proname FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY($1::text[]) AND p.proname = ANY($3::text[]) AND p.oid NOT IN (
    SELECT d.objid FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.deptype = 'e'
      AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = ANY($2::oid[]))
ORDER BY 1 LIMIT 5
"""


async def introspect_extensions(
    connection: asyncpg.Connection, source: str, trusted: Sequence[TrustedExtension]
) -> tuple[Extension, ...]:
    """What `source` has of the `trusted` extensions; one that it does not have is left out.

    `search_path` must be `pg_catalog`: types are then named with their schemas. Raises
    CatalogError for an extension in another schema than the configuration says, older than its
    review, or beside operators of others.
    """
    by_name = {one.name: one for one in trusted}
    rows = await connection.fetch(_EXTENSIONS, list(by_name))
    found = []
    for row in rows:
        wanted = by_name[row["name"]]
        _check_place(source, wanted, row)
        found.append(await _extension(connection, source, wanted, row))
    await _check_strangers(connection, source, rows, trusted)
    return tuple(sorted(found, key=lambda one: one.name))


def _check_place(source: str, wanted: TrustedExtension, row: Mapping[str, Any]) -> None:
    if row["schema"] != wanted.schema:
        raise CatalogError(
            f"source `{source}` has the extension `{wanted.name}` in the schema"
            f" `{row['schema']}`, not in `{wanted.schema}`"
        )
    if _numbers(row["version"]) < _numbers(wanted.version_min):
        raise CatalogError(
            f"source `{source}` has the extension `{wanted.name}` {row['version']}; the reviewed"
            f" list is for {wanted.version_min} and later"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


async def _check_strangers(
    connection: asyncpg.Connection,
    source: str,
    rows: Sequence[Mapping[str, Any]],
    trusted: Iterable[TrustedExtension],
) -> None:
    shared = sorted({name for one in trusted for name in one.shared_functions})
    schemas = [row["schema"] for row in rows]
    oids = [row["oid"] for row in rows]
    strangers = await connection.fetch(_STRANGERS, schemas, oids, shared)
    if strangers:
        names = ", ".join(f"`{row['name']}`" for row in strangers)
        raise CatalogError(
            f"source `{source}`: beside its extensions, the schema {', '.join(schemas)} holds"
            f" {names}: list the extension they belong to, or move them to another schema"
        )


async def _extension(
    connection: asyncpg.Connection, source: str, wanted: TrustedExtension, row: Mapping[str, Any]
) -> Extension:
    async def fetch(template: str, catalog: str, function: str = "") -> list[asyncpg.Record]:
        sql = template.format(
            members=_MEMBERS.format(catalog), function=_SIGNATURE.format(function)
        )
        rows: list[asyncpg.Record] = await connection.fetch(sql, row["oid"])
        return rows

    operators = []
    unlisted = set()
    for one in await fetch(_OPERATORS, "pg_operator", "o.oprcode"):
        if _is_allowed(source, wanted, one):
            operators.append(_operator(one))
        else:
            unlisted |= {one["left"], one["right"]}
    casts = [
        ExtensionCast(one["source"], one["target"], one["context"], one["function"])
        for one in await fetch(_CASTS, "pg_cast", "c.castfunc")
        # The source knows operators that the shadow does not: no implicit cast may lead to one.
        if one["context"] != "i" or one["source"] not in unlisted
    ]
    orders = [_order(one) for one in await fetch(_ORDERS, "pg_opclass", "s.amproc")]
    needed = {one.function for one in operators} | {one.function for one in casts}
    needed |= {order.comparison for order in orders}
    functions = [
        function
        for function in map(_function, await fetch(_FUNCTIONS, "pg_proc"))
        if (function.name in wanted.functions or function.signature in needed)
        and not _UNWRITABLE & {*function.arguments, function.result}
    ]
    return Extension(
        name=wanted.name,
        schema=wanted.schema,
        version=row["version"],
        is_reviewed=wanted.is_reviewed,
        types=tuple(ExtensionType(**one) for one in await fetch(_TYPES, "pg_type")),
        functions=tuple(functions),
        operators=tuple(operators),
        casts=tuple(casts),
        orders=tuple(orders),
    )


def _is_allowed(source: str, wanted: TrustedExtension, row: Mapping[str, Any]) -> bool:
    bare = [name.removeprefix(f"{wanted.schema}.") for name in (row["left"], row["right"])]
    if f"{row['name']}({','.join(bare)})" in wanted.operators:
        return True
    if row["name"] not in wanted.operator_names:
        return False
    estimators = {row["restriction"].split(".")[-1], row["join"].split(".")[-1]}
    if not estimators <= _QUIET_ESTIMATORS:
        signature = f"{row['name']}({','.join(bare)})"
        raise CatalogError(
            f"source `{source}`: the planner tries the operator `{signature}` of the extension"
            f" `{wanted.name}` on statistics, hidden values among them: list it with its types"
            " under `total_operators` if it raises on no value"
        )
    return True


def _operator(row: Mapping[str, Any]) -> ExtensionOperator:
    return ExtensionOperator(row["name"], row["left"], row["right"], row["function"])


def _order(row: Mapping[str, Any]) -> ExtensionOrder:
    pairs = (text.split(" ", 1) for text in row["operators"])
    return ExtensionOrder(
        row["type_name"],
        tuple((int(strategy), name) for strategy, name in pairs),
        row["comparison"],
    )


def _function(row: Mapping[str, Any]) -> ExtensionFunction:
    modes = row["modes"] or ["i"] * len(row["arguments"])
    names = list(row["names"]) or [""] * len(modes)
    kinds = list(row["all_types"]) or list(row["arguments"])
    given = [name for name, mode in zip(names, modes, strict=True) if mode in "ibv"]
    outputs = [
        (name, kind) for name, mode, kind in zip(names, modes, kinds, strict=True) if mode in "obt"
    ]
    return ExtensionFunction(
        name=row["name"],
        kind=row["kind"],
        arguments=tuple(row["arguments"]),
        names=tuple(given),
        defaults=row["defaults"],
        is_variadic=row["is_variadic"],
        result=row["result"],
        returns_set=row["returns_set"],
        outputs=tuple(outputs),
    )
