"""The hardest stored values of each type that the table of total operators speaks about.

SQL expressions, each giving one value: ends of ranges, infinities, NaN, NULL, empty, multi-byte,
BC dates, longest numerics, deepest jsonb. Array and (multi)range types add what they hold inside.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from proxy.sql.classification import total

# Nearly the deepest jsonb that the default stack of 2 MB accepts as input.
JSON_DEPTHS = (20_000, 10_000, 6_000, 3_000, 1_000)

_TEXTS = (
    *("''", "'a'", "' '", "'%'", "'_'", "'\\'", "'a\\'", "'1'", "'NaN'", "'\u0130ß\u0149ﬃ'"),
    *("'日本語'", "'e\u0301\U0001f600'", "repeat('x', 100000)", "repeat('日', 30000)"),
    *("repeat('%\\', 5000)", "E'\\x01\\x7f\\n'", '\'{"a": [1, {"b": null}]}\''),
)
_INTS = {
    "int2": ("0", "1", "-1", "32767", "-32768"),
    "int4": ("0", "1", "-1", "32768", "2147483647", "(-2147483648)"),
    "int8": ("0", "-1", "2147483648", "9223372036854775807", "(-9223372036854775808)"),
}
_FLOATS = {
    "float4": ("'0'", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "'3.4e38'", "'1.2e-38'"),
    "float8": ("'0'", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "'1.79e308'", "'2.3e-308'"),
}
_STAMPS = (
    *("'infinity'", "'-infinity'", "'4714-11-24 00:00:00 BC'", "'294276-12-31 23:59:59.999999'"),
    *("'0001-01-01'", "'0001-12-31 BC'", "'2000-01-01'", "'2024-02-29 12:34:56.789'"),
    *("'1970-01-01'", "'2024-03-31 01:59:59.999999'"),
)
VALUES: dict[str, tuple[str, ...]] = {
    **_INTS,
    **_FLOATS,
    "numeric": (
        *("0", "1", "-1", "'NaN'", "'Infinity'", "'-Infinity'", "1e131071", "-1e131071"),
        *("1e-16383", "repeat('9', 131072)::numeric", "(repeat('9', 131072) || '.5')::numeric"),
        *("0.5", "9223372036854775808", "('0.' || repeat('9', 16383))::numeric"),
    ),
    "bool": ("true", "false"),
    "text": _TEXTS,
    "varchar": _TEXTS,
    "bpchar": (*_TEXTS, "'a   '"),
    "name": ("''", "'a'", "repeat('n', 63)", "'日本'", "'a\\'"),
    "char": ("''", "'a'", "'\\377'", "' '"),
    "bytea": ("''", "'\\x00'", "'\\xffffffff'", "decode(repeat('ab', 50000), 'hex')"),
    "date": (
        *("'infinity'", "'-infinity'", "'4714-11-24 BC'", "'5874897-12-31'", "'2000-01-01'"),
        *("'294277-01-01'", "'0001-01-01'", "'2024-02-29'", "'0001-12-31 BC'"),
    ),
    "timestamp": _STAMPS,
    "timestamptz": tuple(
        value[:-1] + ("+00'" if "BC" not in value and "infinity" not in value else "'")
        for value in _STAMPS
    ),
    "time": ("'00:00'", "'24:00'", "'23:59:59.999999'", "'12:00'"),
    "timetz": ("'00:00+15:59'", "'24:00-15:59'", "'12:00+00'", "'23:59:59.999999+00'"),
    "interval": (
        *("'0'", "'178000000 years'", "'-178000000 years'", "'1 mon -1 day'", "'24:00'", "'1 day'"),
        *("'2147483647 days'", "'-2147483648 days'", "'-0.000001 sec'"),
        "interval '2147483647:00' + '414564141:00:54.775806'",
        "interval '178956970 years 7 mons 2147483647 days 2147483647:00' + '414564141:00:54'",
    ),
    "uuid": ("repeat('0', 32)::uuid", "repeat('f', 32)::uuid"),
    "json": ("'null'", "'{}'", '\'{"a": "\\u0000"}\'', "'[1, [2]]'", '\' { "a" :1 , "a":2}\''),
    "jsonb": (
        *("'null'", "'{}'", "'[]'", "'\"\"'", "'\"a\"'", "'1'", "'true'", "'1e131071'", "'[[]]'"),
        *('\'{"a": 1, "b": [1, {"a": null}]}\'', "'[1, 2, \"a\", [null]]'", "'[0]'"),
        *("to_jsonb(repeat('9', 131072)::numeric)", "to_jsonb(repeat('x', 100000))"),
        *("jsonb_build_object(repeat('k', 10000), 1)", '\'{"": {"": 0}}\''),
    ),
    "macaddr": ("'00:00:00:00:00:00'", "'ff:ff:ff:ff:ff:ff'"),
    "macaddr8": ("'00:00:00:00:00:00:00:00'", "'ff:ff:ff:ff:ff:ff:ff:ff'"),
    "money": ("'0'", "'92233720368547758.07'", "'-92233720368547758.08'"),
    "oid": ("0", "4294967295", "1"),
    "pg_lsn": ("'0/0'", "'FFFFFFFF/FFFFFFFF'"),
    "bit": ("B'1'", "B'0'", "B''", "repeat('1', 1000)::bit(1000)"),
    "varbit": ("B''", "B'0'", "B'101'", "repeat('10', 5000)::varbit"),
    "inet": ("'0.0.0.0/0'", "'255.255.255.255'", "'::/0'", "'ffff::1/128'", "'10.0.0.1/8'"),
    "cidr": ("'0.0.0.0/0'", "'255.255.255.255/32'", "'::/0'", "'2001:db8::/32'", "'10.0.0.0/8'"),
    "anyenum": ("'low'", "'high'", "'日本'"),
}
SINCE_17 = {"interval": ("'infinity'", "'-infinity'")}
ENUM = "extreme_level"
_RANGE_BOUNDS = {
    "int4": ("-2147483648", "2147483647"),
    "int8": ("-9223372036854775808", "9223372036854775807"),
    "numeric": ("-1e131071", "1e131071"),
    "date": ("4714-11-24 BC", "5874897-12-31"),
    "timestamp": ("4714-11-24 BC", "294276-12-31 23:59:59.999999"),
    "timestamptz": ("4714-11-25 BC", "294276-12-30"),
}


def sql_type(name: str) -> str:
    """The type's name as a statement writes it."""
    base = name.removesuffix("[]")
    written = {"anyenum": ENUM, "char": '"char"', "bit": "bit varying"}.get(base, base)
    if base == "bit":  # a column of type bit without a length holds one bit only
        written = "bit(1000)"
    return written + name[len(base) :]


def _range_values(name: str) -> Iterator[str]:
    least, most = _RANGE_BOUNDS[total.RANGES[name]]
    yield "'empty'"
    yield "'(,)'"
    yield f"""'["{least}",)'"""
    yield f"""'["{least}","{most}")'"""
    yield f"""'(,"{most}")'"""
    if name not in ("int4range", "int8range", "numrange"):
        yield "'[-infinity,infinity)'"
        yield "'[2024-01-01,2024-02-01)'"
    else:
        yield "'[1,10)'"
        yield f"""'["{most}",)'"""


def values(name: str) -> list[str]:
    """SQL expressions for every extreme value of the type, arrays and ranges included."""
    if name in total.RANGES:
        return list(_range_values(name))
    if name in total.MULTIRANGES:
        of = name.replace("multirange", "range")
        singles = [f"multirange({value}::{of})" for value in _range_values(of)]
        return ["'{}'", *singles]
    if name.endswith("[]"):
        of = name.removesuffix("[]")
        table = f"(SELECT v FROM {table_name(of)})"
        return [
            *("'{}'", "'{NULL}'", f"ARRAY{table}"),
            f"ARRAY[ARRAY{table}, ARRAY{table}]",
            f"('[5:5]=' || (ARRAY(SELECT v FROM {table_name(of)} LIMIT 1))::text)",
        ]
    return list(VALUES[name])


def table_name(name: str) -> str:
    """The table of one type's extremes."""
    return "extreme_" + name.replace("[]", "_array")


def load(connection: psycopg.Connection[tuple[object, ...]], names: list[str]) -> None:
    """Make one temporary table a type, `extreme_<type>(v)`, with its values and NULL."""
    connection.execute("SET search_path = pg_temp, pg_catalog")
    connection.execute(f"CREATE TYPE pg_temp.{ENUM} AS ENUM ('low', 'high', '日本')")
    # Elements before the arrays that hold them.
    for name in sorted(names, key=lambda name: name.endswith("[]")):
        table, written = table_name(name), sql_type(name)
        connection.execute(f"CREATE TEMP TABLE {table} (v {written})")
        newer = SINCE_17.get(name, ()) if connection.info.server_version >= 170000 else ()
        for value in (*values(name), *newer):
            connection.execute(f"INSERT INTO {table} SELECT ({value})::{written}")
        connection.execute(f"INSERT INTO {table} VALUES (NULL)")
    if "jsonb" in names:
        _load_deep_json(connection)


def _load_deep_json(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    for depth in JSON_DEPTHS:
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            deep = f"(repeat('{opening}', {depth}) || '0' || repeat('{closing}', {depth}))::jsonb"
            try:
                connection.execute(f"INSERT INTO extreme_jsonb SELECT {deep}")
            except psycopg.errors.StatementTooComplex:
                continue
