"""Statements that write tables straight into the catalogs of a class database: pure, text out.

CREATE TABLE takes a millisecond and four files each, and an object that it made is renumbered
afterwards. A class of thousands of tables is written within seconds instead, as the rows that DDL
would have left, with their lasting numbers. There is no storage behind them: they can be described
but not scanned, and nothing scans them.

Theory. Every row is that of a catalog of Postgres' own (an exemplar: pg_class is a table too, with
a key, a row type and so on) with other values in some columns. So columns that differ by major
version come along by themselves: only those that are changed are named here (PostgreSQL
documentation, 53 "System Catalogs"). tests/proxy/catalog/test_written.py compares every row with
what DDL makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

# Fixed numbers of src/include/catalog/*.dat and *.h.
_PG_CLASS: Final = 1259
_PG_CLASS_KEY: Final = 2662
_PG_PROC_TOAST: Final = 2836
_PG_PROC_TOAST_INDEX: Final = 2837
_PG_TOAST_NAMESPACE: Final = 99
_BTREE: Final = 403

_SINCE_18: Final = frozenset({"relallfrozen"})

CATALOGS: Final = ("pg_class", "pg_attribute", "pg_type", "pg_index", "pg_constraint")
"""Those whose columns must be known: `Columns` by catalog."""

Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Insert:
    """One statement, and the group of `written.Rows` whose arrays are its parameters, in order."""

    sql: str
    group: str


_TABLES: Final = """unnest($1::oid[], $2::text[], $3::text[], $4::oid[], $5::oid[], $6::text[],
    $7::oid[], $8::oid[], $9::int[], $10::bool[]) WITH ORDINALITY
    t(oid, name, schema, row_type, array_type, array_name, toast, toast_index, width, has_index,
      place) JOIN pg_namespace n ON n.nspname = t.schema"""
_COLUMNS: Final = """unnest($1::oid[], $2::text[], $3::int[], $4::oid[], $5::int[], $6::bool[],
    $7::text[], $8::int[], $9::text[]) WITH ORDINALITY
    t(relation, name, number, type, modifier, not_null, identity, dimensions, collated, place)
    JOIN pg_type y ON y.oid = t.type"""
_KEYS: Final = """unnest($1::oid[], $2::text[], $3::text[], $4::oid[], $5::oid[], $6::text[],
    $7::text[]) WITH ORDINALITY t(oid, name, schema, constraint_oid, relation, numbers, kind, place)
    JOIN pg_namespace n ON n.nspname = t.schema"""
_SEQUENCES: Final = """unnest($1::oid[], $2::text[], $3::text[], $4::oid[], $5::int[], $6::bool[],
    $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[],
    $13::bool[]) WITH ORDINALITY t(oid, name, schema, relation, number, is_identity, type, start,
      step, highest, lowest, cache, cycles, place) JOIN pg_namespace n ON n.nspname = t.schema"""

# The operator class that an index over a column of this type has unless another is named
# (src/backend/commands/indexcmds.c, GetDefaultOpClass).
_OPERATOR_CLASS: Final = f"""(SELECT o.oid FROM pg_opclass o
    LEFT JOIN pg_cast c ON c.castsource = b.base AND c.casttarget = o.opcintype
         AND c.castmethod = 'b' AND c.castcontext = 'i'
    WHERE o.opcmethod = {_BTREE} AND o.opcdefault AND (o.opcintype = b.base OR c.oid IS NOT NULL
          OR o.opcintype = CASE WHEN b.kind = 'e' THEN 'anyenum'::regtype::oid
                                WHEN b.kind = 'r' THEN 'anyrange'::regtype::oid
                                WHEN b.category = 'A' THEN 'anyarray'::regtype::oid END)
    ORDER BY o.opcintype <> b.base, o.oid LIMIT 1)"""


def inserts(columns: Columns) -> list[Insert]:
    """The statements, in order, for a server whose catalogs have these columns."""
    return [
        *_tables(columns),
        *_columns(columns),
        *_keys(columns),
        *_not_nulls(columns),
        *_sequences(columns),
    ]


def has_not_nulls(columns: Columns) -> bool:
    """Whether NOT NULL is a constraint with a name: since PostgreSQL 18."""
    return "conenforced" in columns["pg_constraint"]


def _like(
    columns: Columns,
    catalog: str,
    exemplar: str,
    given: str,
    changed: Mapping[str, str],
    order: str = "t.place",
) -> str:
    """Rows like those of `catalog` where `exemplar` holds, one for each that is `given`; in the
    order of its indexes where that saves time."""
    unknown = changed.keys() - set(columns[catalog]) - _SINCE_18
    assert not unknown, f"{catalog} has no column {unknown}"
    values = ", ".join(changed.get(name, f"e.{name}") for name in columns[catalog])
    return (
        f"INSERT INTO {catalog} SELECT {values} FROM {catalog} e, {given}"
        f" WHERE {exemplar} ORDER BY {order}"
    )


def _class_row(**changed: str) -> dict[str, str]:
    return {
        "oid": "t.oid",
        "relname": "t.name",
        "relnamespace": "n.oid",
        "relfilenode": "t.oid",
        "relisshared": "false",
        "relpages": "0",
        "reltuples": "-1",
        "relallvisible": "0",
        "relallfrozen": "0",
        **changed,
    }


def _depends(given: str, *links: str) -> str:
    """Rows of pg_depend; each link is `class, object, part, class, object, part, kind`."""
    several = ", ".join(f"({link})" for link in links)
    return (
        f"INSERT INTO pg_depend SELECT d.* FROM {given}, LATERAL (VALUES {several})"
        " d(classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)"
        " WHERE d.objid <> 0 AND d.refobjid <> 0 ORDER BY t.place"
    )


_TABLE_ROW: Final = _class_row(
    reltype="t.row_type",
    reltoastrelid="t.toast",
    relhasindex="t.has_index",
    relnatts="t.width",
    relreplident="'d'",
)


def _link(own: tuple[str, str, str], on: tuple[str, str, str], kind: str = "'n'::\"char\"") -> str:
    """One row of pg_depend: catalog, object and column of what depends, and of what it needs."""

    def part(place: tuple[str, str, str]) -> str:
        return f"'{place[0]}'::regclass::oid, {place[1]}, {place[2]}"

    return f"{part(own)}, {part(on)}, {kind}"


_AUTO: Final = "'a'::\"char\""
_INTERNAL: Final = "'i'::\"char\""


def _tables(columns: Columns) -> list[Insert]:
    row_type = {"typowner": "10", "typnamespace": "n.oid"}
    of_rows = {"oid": "t.row_type", "typname": "t.name", "typrelid": "t.oid"}
    of_arrays = {"oid": "t.array_type", "typname": "t.array_name", "typelem": "t.row_type"}
    texts = [
        _like(columns, "pg_class", f"e.oid = {_PG_CLASS}", _TABLES, _TABLE_ROW),
        _like(
            columns,
            "pg_type",
            f"e.typrelid = {_PG_CLASS}",
            _TABLES,
            row_type | of_rows | {"typarray": "t.array_type"},
        ),
        _like(
            columns,
            "pg_type",
            f"e.oid = (SELECT typarray FROM pg_type WHERE typrelid = {_PG_CLASS})",
            _TABLES,
            row_type | of_arrays,
        ),
        *_toasts(columns),
        *(
            _like(
                columns,
                "pg_attribute",
                f"e.attrelid = {exemplar} AND e.attnum < {below} AND t.{part} <> 0",
                _TABLES,
                {"attrelid": f"t.{part}"},
                f"t.{part}, e.attnum",
            )
            for exemplar, below, part in (
                (_PG_CLASS, 0, "oid"),
                (_PG_PROC_TOAST, 100, "toast"),
                (_PG_PROC_TOAST_INDEX, 100, "toast_index"),
            )
        ),
        _table_depends(),
    ]
    return [Insert(text, "tables") for text in texts]


def _toasts(columns: Columns) -> Iterator[str]:
    name = "'pg_toast_' || t.oid"
    row = _class_row(
        oid="t.toast", relname=name, relnamespace=str(_PG_TOAST_NAMESPACE), relfilenode="t.toast"
    )
    index_row = row | {
        "oid": "t.toast_index",
        "relname": f"{name} || '_index'",
        "relfilenode": "t.toast_index",
        "relpages": "1",
        "reltuples": "0",
    }
    for exemplar, values in ((_PG_PROC_TOAST, row), (_PG_PROC_TOAST_INDEX, index_row)):
        condition = f"e.oid = {exemplar} AND t.toast <> 0"
        yield _like(columns, "pg_class", condition, _TABLES, values, values["oid"])
    yield _like(
        columns,
        "pg_index",
        f"e.indexrelid = {_PG_PROC_TOAST_INDEX} AND t.toast <> 0",
        _TABLES,
        {"indexrelid": "t.toast_index", "indrelid": "t.toast"},
    )


def _table_depends() -> str:
    table = ("pg_class", "t.oid", "0")
    toast, toast_index = ("pg_class", "t.toast", "0"), ("pg_class", "t.toast_index", "0")
    return _depends(
        _TABLES,
        _link(table, ("pg_namespace", "n.oid", "0")),
        _link(("pg_type", "t.row_type", "0"), table, _INTERNAL),
        _link(("pg_type", "t.array_type", "0"), ("pg_type", "t.row_type", "0"), _INTERNAL),
        _link(toast, table, _INTERNAL),
        _link(toast_index, ("pg_class", "t.toast", "1"), _AUTO),
        _link(toast_index, ("pg_class", "t.toast", "2"), _AUTO),
    )


def _columns(columns: Columns) -> list[Insert]:
    changed = {
        "attrelid": "t.relation",
        "attname": "t.name",
        "attnum": "t.number",
        "atttypid": "t.type",
        "atttypmod": "t.modifier",
        "attnotnull": "t.not_null",
        "attidentity": 't.identity::"char"',
        "attndims": "t.dimensions",
        "attlen": "y.typlen",
        "attbyval": "y.typbyval",
        "attalign": "y.typalign",
        "attstorage": "y.typstorage",
        "attcollation": "CASE WHEN t.collated IS NULL THEN y.typcollation ELSE (SELECT c.oid"
        " FROM pg_collation c WHERE c.collname = t.collated"
        " AND c.collnamespace = 'pg_catalog'::regnamespace) END",
    }
    exemplar = f"e.attrelid = {_PG_CLASS} AND e.attnum = 1"
    return [
        Insert(_like(columns, "pg_attribute", exemplar, _COLUMNS, changed), "columns"),
        Insert(
            f"INSERT INTO pg_depend SELECT {_PG_CLASS}, t.relation, t.number,"
            " 'pg_type'::regclass, t.type, 0, 'n'"
            " FROM unnest($1::oid[], $2::int[], $3::oid[]) t(relation, number, type)",
            "uses",
        ),
        Insert(
            f"INSERT INTO pg_description SELECT t.relation, {_PG_CLASS}, t.number, t.comment"
            " FROM unnest($1::oid[], $2::int[], $3::text[]) t(relation, number, comment)",
            "comments",
        ),
    ]


def _of_parts(value: str) -> str:
    """`value` of each column of a key, in the key's order and as an oidvector is written."""
    return (
        f"(SELECT string_agg(({value})::text, ' ' ORDER BY u.place)"
        " FROM unnest(string_to_array(t.numbers, ' ')::int[]) WITH ORDINALITY u(number, place)"
        " JOIN pg_attribute a ON a.attrelid = t.relation AND a.attnum = u.number"
        " JOIN pg_type y ON y.oid = a.atttypid,"
        " LATERAL (SELECT CASE y.typtype WHEN 'd' THEN y.typbasetype ELSE y.oid END AS base,"
        " y.typtype AS kind, y.typcategory AS category) b)"
    )


def _keys(columns: Columns) -> list[Insert]:
    count = "cardinality(string_to_array(t.numbers, ' '))"
    index, constraint = ("pg_class", "t.oid", "0"), ("pg_constraint", "t.constraint_oid", "0")
    parts = (
        f"{_KEYS}, LATERAL unnest(string_to_array(t.numbers, ' ')::int[]) WITH ORDINALITY"
        " u(number, part)"
    )
    row = _class_row(relpages="1", reltuples="0", relnatts=count)
    texts = [
        _like(columns, "pg_class", f"e.oid = {_PG_CLASS_KEY}", _KEYS, row),
        "INSERT INTO pg_attribute SELECT "
        + ", ".join(
            {
                "attrelid": "t.oid",
                "attnum": "u.part",
                "attnotnull": "false",
                "attidentity": "''",
                "attgenerated": "''",
                "atthasdef": "false",
                "attacl": "NULL",
            }.get(name, f"e.{name}")
            for name in columns["pg_attribute"]
        )
        + f" FROM {parts}, pg_attribute e WHERE e.attrelid = t.relation AND e.attnum = u.number"
        " ORDER BY t.place, u.part",
        _like(
            columns,
            "pg_index",
            f"e.indexrelid = {_PG_CLASS_KEY}",
            _KEYS,
            {
                "indexrelid": "t.oid",
                "indrelid": "t.relation",
                "indnatts": count,
                "indnkeyatts": count,
                "indisunique": "t.kind <> 'i'",
                "indisprimary": "t.kind = 'p'",
                "indkey": "t.numbers::int2vector",
                "indcollation": f"{_of_parts('a.attcollation')}::oidvector",
                "indclass": f"{_of_parts(_OPERATOR_CLASS)}::oidvector",
                "indoption": f"{_of_parts('0')}::int2vector",
            },
        ),
        _like(
            columns,
            "pg_constraint",
            f"e.conindid = {_PG_CLASS_KEY} AND t.constraint_oid <> 0",
            _KEYS,
            {
                "oid": "t.constraint_oid",
                "conname": "t.name",
                "connamespace": "n.oid",
                "contype": 't.kind::"char"',
                "conrelid": "t.relation",
                "conindid": "t.oid",
                "conkey": "string_to_array(t.numbers, ' ')::int2[]",
            },
        ),
        _depends(
            parts,
            "'pg_constraint'::regclass::oid, t.constraint_oid, 0, 'pg_class'::regclass::oid,"
            f" t.relation, u.number, {_AUTO}",
            "'pg_class'::regclass::oid, CASE t.constraint_oid WHEN 0 THEN t.oid ELSE 0 END, 0,"
            f" 'pg_class'::regclass::oid, t.relation, u.number, {_AUTO}",
        ),
        _depends(_KEYS, _link(index, constraint, _INTERNAL)),
    ]
    return [Insert(text, "keys") for text in texts]


_NOT_NULLS: Final = """unnest($1::oid[], $2::text[], $3::text[], $4::oid[], $5::int[])
    WITH ORDINALITY t(oid, name, schema, relation, number, place)
    JOIN pg_namespace n ON n.nspname = t.schema"""


def _not_nulls(columns: Columns) -> list[Insert]:
    row = {
        "oid": "t.oid",
        "conname": "t.name",
        "connamespace": "n.oid",
        "contype": "'n'",
        "conrelid": "t.relation",
        "conindid": "0",
        "connoinherit": "false",
        "conkey": "ARRAY[t.number]::int2[]",
    }
    exemplar = f"e.conindid = {_PG_CLASS_KEY}"
    texts = [
        _like(columns, "pg_constraint", exemplar, _NOT_NULLS, row),
        _depends(
            _NOT_NULLS,
            _link(("pg_constraint", "t.oid", "0"), ("pg_class", "t.relation", "t.number"), _AUTO),
        ),
    ]
    return [Insert(text, "not nulls") for text in texts]


_SEQUENCE_COLUMNS: Final = """(VALUES ('last_value', 1, 'bigint'), ('log_cnt', 2, 'bigint'),
    ('is_called', 3, 'boolean')) v(name, number, type) JOIN pg_type y ON y.oid = v.type::regtype"""


def _sequences(columns: Columns) -> list[Insert]:
    row = _class_row(
        relkind="'S'", relam="0", relpages="1", reltuples="1", relnatts="3", relfrozenxid="'0'",
        reltype="0", reltoastrelid="0", relhasindex="false", relminmxid="'0'", relacl="NULL",
    )  # fmt: skip
    attribute = {
        "attrelid": "t.oid",
        "attname": "v.name",
        "attnum": "v.number",
        "atttypid": "y.oid",
        "attlen": "y.typlen",
        "attbyval": "y.typbyval",
        "attalign": "y.typalign",
        "attstorage": "y.typstorage",
    }
    own = ("pg_class", "t.oid", "0")
    owner = ("pg_class", "t.relation", "t.number")
    kind = "CASE WHEN t.is_identity THEN 'i' ELSE 'a' END::\"char\""
    texts = [
        _like(columns, "pg_class", f"e.oid = {_PG_CLASS}", _SEQUENCES, row),
        _like(
            columns,
            "pg_attribute",
            f"e.attrelid = {_PG_CLASS} AND e.attnum < 0",
            _SEQUENCES,
            {"attrelid": "t.oid"},
            "t.place, e.attnum",
        ),
        _like(
            columns,
            "pg_attribute",
            f"e.attrelid = {_PG_CLASS} AND e.attnum = 1",
            f"{_SEQUENCES}, {_SEQUENCE_COLUMNS}",
            attribute,
            "t.place, v.number",
        ),
        "INSERT INTO pg_sequence SELECT t.oid, t.type::regtype, t.start, t.step, t.highest,"
        f" t.lowest, t.cache, t.cycles FROM {_SEQUENCES} ORDER BY t.place",
        _depends(_SEQUENCES, _link(own, ("pg_namespace", "n.oid", "0")), _link(own, owner, kind)),
    ]
    return [Insert(text, "sequences") for text in texts]
