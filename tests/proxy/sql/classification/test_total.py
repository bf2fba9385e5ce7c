"""Every entry of the table of total things, tried with the extremes of its types on 14 to 18.

And the reverse: the things left out, each with a stored value that raises. A new PostgreSQL that
makes one of those total fails here too, and the entry can be reconsidered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from proxy.sql.classification import classification, total
from tests.proxy.sql.classification import extremes
from tests.servers import postgres

Connection = psycopg.Connection[tuple[object, ...]]
Connect = Callable[[int], Connection]

# Time zones at both ends and with a jump; output styles that a client may choose.
TIME_ZONES = ("UTC", "Etc/GMT+12", "Pacific/Kiritimati", "Asia/Kathmandu")
DATE_STYLES = ("ISO, MDY", "SQL, DMY", "German", "Postgres, YMD")


@pytest.fixture(scope="module")
def connect(postgres_of: Callable[[int], postgres.Server]) -> Iterator[Connect]:
    """A connection of each major with its tables of extremes, made on first use."""
    connections: dict[int, Connection] = {}

    def connection_of(major: int) -> Connection:
        if major not in connections:
            connection = postgres_of(major).connect()
            extremes.load(connection, sorted(named_types()))
            connections[major] = connection
        return connections[major]

    yield connection_of
    for connection in connections.values():
        connection.close()


def named_types() -> set[str]:
    """Every type that the three tables and the literal rules speak about."""
    names = {name for _, left, right in total.operators() for name in (left, right)}
    names |= {name for _, arguments in total.functions() for name in arguments}
    names |= {name for pair in total.casts() for name in pair}
    # An array needs its elements' table.
    return names | {name.removesuffix("[]") for name in names}


def raised(connection: Connection, statements: Iterator[str]) -> list[str]:
    """Run all; returns each that raised, with the message."""
    found = []
    for statement in statements:
        try:
            connection.execute(statement)
        except psycopg.Error as error:
            found.append(f"{statement}: {str(error).splitlines()[0]}")
    return found


@pytest.mark.parametrize("major", postgres.MAJORS)
def test_no_operator_of_the_table_raises(connect: Connect, major: int) -> None:
    def statements() -> Iterator[str]:
        for name, left, right in sorted(set(total.operators())):
            one, two = extremes.table_name(left), extremes.table_name(right)
            yield f"SELECT count(a.v OPERATOR(pg_catalog.{name}) b.v) FROM {one} a, {two} b"

    assert not raised(connect(major), statements())


@pytest.mark.parametrize("major", postgres.MAJORS)
def test_no_function_of_the_table_raises(connect: Connect, major: int) -> None:
    def statements() -> Iterator[str]:
        for name, arguments in sorted(set(total.functions())):
            tables = [f"{extremes.table_name(of)} t{at}" for at, of in enumerate(arguments)]
            values = ", ".join(f"t{at}.v" for at in range(len(arguments)))
            origin = f"FROM {', '.join(tables)}" if tables else ""
            yield f"SELECT count(pg_catalog.{name}({values})) {origin}"

    assert not raised(connect(major), statements())


@pytest.mark.parametrize("zone", TIME_ZONES)
@pytest.mark.parametrize("major", postgres.MAJORS)
def test_no_cast_of_the_table_raises(connect: Connect, major: int, zone: str) -> None:
    def statements() -> Iterator[str]:
        style = DATE_STYLES[TIME_ZONES.index(zone)]
        yield f"SET TimeZone = '{zone}'; SET DateStyle = '{style}'"
        for source, target in sorted(set(total.casts())):
            written = extremes.sql_type(target)
            yield f"SELECT count(v::{written}) FROM {extremes.table_name(source)}"
        for left in total.TIMES:
            for right in total.TIMES:
                one, two = extremes.table_name(left), extremes.table_name(right)
                yield f"SELECT count(a.v < b.v) FROM {one} a, {two} b"
        yield "RESET TimeZone; RESET DateStyle"

    assert not raised(connect(major), statements())


LITERAL_CALLS = [
    ("substring", "text", ("v", "-2147483647", "2147483647")),
    ("substring", "text", ("v", "2147483647", "2147483647")),
    ("substr", "text", ("v", "0", "0")),
    ("substring", "text", ("v", "-5")),
    *(
        (name, kind, (f"'{field}'", "v"))
        for name in ("date_part", "extract")
        for kind in ("date", "timestamp", "timestamptz", "time")
        for field in (
            *("century", "day", "decade", "dow", "doy", "epoch", "hour", "isodow", "isoyear"),
            *("microseconds", "millennium", "milliseconds", "minute", "month", "quarter"),
            *("second", "week", "year"),
        )
    ),
    *(
        ("to_char", kind, ("v", "'YYYY-MM-DD Q WW IW ID DDD Day Mon HH24:MI:SS.US FMMonth AM'"))
        for kind in ("timestamp", "timestamptz", "date")
    ),
]


def is_total_call(name: str, kind: str, arguments: tuple[str, ...]) -> bool:
    oid = classification().type_oid(kind)
    assert oid is not None
    oids = [oid if argument == "v" else total.UNKNOWN_OID for argument in arguments]
    given = [None if argument == "v" else argument.strip("'") for argument in arguments]
    return total.is_total_function(name, oids, given)


@pytest.mark.parametrize("major", postgres.MAJORS)
def test_no_call_with_suitable_literals_raises(connect: Connect, major: int) -> None:
    calls = [call for call in LITERAL_CALLS if is_total_call(*call)]
    assert len(calls) > 60

    def statements() -> Iterator[str]:
        for name, kind, arguments in calls:
            table = extremes.table_name(kind)
            yield f"SELECT count(pg_catalog.{name}({', '.join(arguments)})) FROM {table}"

    assert not raised(connect(major), statements())


@pytest.mark.parametrize("major", postgres.MAJORS)
def test_like_with_a_well_formed_pattern_never_raises(connect: Connect, major: int) -> None:
    patterns = ("", "%", "a%", "%x%y%", "_", "\\%", "\\\\", "日%", "%" * 64, "%x" * 64, "%\\_\\\\")
    assert all(map(total.is_well_formed_like_pattern, patterns))

    def statements() -> Iterator[str]:
        for kind in total.TEXTS:
            table = extremes.table_name(kind)
            for pattern in patterns:
                for name in sorted(total.PATTERN_OPERATORS):
                    yield f"SELECT count(v OPERATOR(pg_catalog.{name}) '{pattern}') FROM {table}"

    assert not raised(connect(major), statements())


@pytest.mark.parametrize("major", postgres.MAJORS)
def test_other_operators_with_suitable_literals_never_raise(connect: Connect, major: int) -> None:
    documents = ('{"a": 1}', "[]", "[" * 60 + "]" * 60, '{"a":' * 60 + "0" + "}" * 60)
    cases = [("jsonb", name, f"'{text}'", text) for name in ("@>", "<@") for text in documents]
    for kind in total.INTEGERS:
        cases += [(kind, "%", str(by), str(by)) for by in (1, 2, 7, -1, 2147483647)]
        cases += [(kind, "/", str(by), str(by)) for by in (1, 2, 100, -2, 2147483647)]

    def statements() -> Iterator[str]:
        for kind, name, operand, text in cases:
            oid = classification().type_oid(kind) or 0
            right = total.UNKNOWN_OID if kind == "jsonb" else 23
            assert total.is_total_operator(name, oid, right, text), (kind, name, text)
            table = extremes.table_name(kind)
            yield f"SELECT count(v OPERATOR(pg_catalog.{name}) {operand}) FROM {table}"

    assert not raised(connect(major), statements())


@pytest.mark.parametrize("major", postgres.MAJORS)
def test_now_and_a_bounded_interval_never_raise(connect: Connect, major: int) -> None:
    literals = ("1000 years", "-1000 years", "30 days", "1 week, 2 days", "12 mons 3 hours", "0 s")
    accepted = [text for text in literals if total.is_bounded_interval(text)]
    assert len(accepted) == 5

    def statements() -> Iterator[str]:
        for text in accepted:
            for time in ("now()", "current_date", "current_timestamp", "localtimestamp"):
                yield f"SELECT {time} + interval '{text}', {time} - interval '{text}'"

    assert not raised(connect(major), statements())


OPERATOR, FUNCTION, CAST = total.is_total_operator, total.is_total_function, total.is_total_cast
Question = tuple[Callable[..., bool], tuple[object, ...]]

# What looks harmless and is not: an expression over a type's extremes, and the table's question.
NOT_TOTAL: list[tuple[str, str, Question]] = [
    ("v = 1.5::float8", "numeric", (OPERATOR, ("=", 1700, 701))),
    ("abs(v)", "int4", (FUNCTION, ("abs", (23,)))),
    ("-v", "int8", (OPERATOR, ("-", 0, 20))),
    ("v + 1", "int4", (OPERATOR, ("+", 23, 23, "1"))),
    ("v / 0", "int4", (OPERATOR, ("/", 23, 23, "0"))),
    ("v / (-1)", "int4", (OPERATOR, ("/", 23, 23, "-1"))),
    ("v % 0", "int4", (OPERATOR, ("%", 23, 23, "0"))),
    ("v - '1 day'::interval", "timestamptz", (OPERATOR, ("-", 1184, 1186, "1 day"))),
    ("v + '1 year'::interval", "date", (OPERATOR, ("+", 1082, 1186, "1 year"))),
    ("v - date '2000-01-01'", "date", (OPERATOR, ("-", 1082, 1082))),
    ("date_trunc('month', v)", "timestamp", (FUNCTION, ("date_trunc", (25, 1114)))),
    ("v::int4", "text", (CAST, (25, 23))),
    ("v::int4", "numeric", (CAST, (1700, 23))),
    ("v::float8", "numeric", (CAST, (1700, 701))),
    ("v::float4", "float8", (CAST, (701, 700))),
    ("v::timestamp", "date", (CAST, (1082, 1114))),
    ("v::timestamptz", "date", (CAST, (1082, 1184))),
    ("v::int4", "jsonb", (CAST, (3802, 23))),
    ("v -> 'a'", "json", (OPERATOR, ("->", 114, 25))),
    ("v ->> 'a'", "json", (OPERATOR, ("->>", 114, 25))),
    ("v LIKE 'a\\'", "text", (OPERATOR, ("~~", 25, 705, "a\\"))),
    ("v LIKE v", "text", (OPERATOR, ("~~", 25, 25))),
    ("jsonb_array_length(v)", "jsonb", (FUNCTION, ("jsonb_array_length", (3802,)))),
    ("extract(hour FROM v)", "date", (FUNCTION, ("extract", (705, 1082), ("hour", None)))),
    ("substring(v, 1, -1)", "text", (FUNCTION, ("substring", (25, 23, 23), (None, "1", "-1")))),
    ("ceil(v)", "numeric", (FUNCTION, ("ceil", (1700,)))),
    ("round(v)", "numeric", (FUNCTION, ("round", (1700,)))),
    ("date_part('year', v)", "date", (FUNCTION, ("date_part", (705, 1082), ("year", None)))),
    ("to_char(v, 'YYYY')", "date", (FUNCTION, ("to_char", (1082, 705), (None, "YYYY")))),
    ("sum(v) FILTER (WHERE v > 1e100 AND v < 'Infinity')", "numeric", (FUNCTION, ("sum", (1700,)))),
    ("array_position(v, 1)", "int4[]", (FUNCTION, ("array_position", (1007, 23)))),
    ("repeat(v || v, 1 << 24)", "text", (OPERATOR, ("||", 25, 25))),
    (
        "to_tsvector('simple', (SELECT string_agg(i::text, v) FROM generate_series(1, 300000) i))",
        "text",
        (FUNCTION, ("to_tsvector", (705, 25), ("simple", None))),
    ),
]


@pytest.mark.parametrize(("expression", "kind", "question"), NOT_TOTAL)
def test_what_was_left_out_raises_on_some_value(
    connect: Connect, expression: str, kind: str, question: Question
) -> None:
    judge, arguments = question
    assert not judge(*arguments)
    with pytest.raises(psycopg.Error) as caught:
        connect(18).execute(f"SELECT {expression} FROM {extremes.table_name(kind)}")
    # A mistake in the expression itself would be of class 42.
    assert not str(caught.value.sqlstate).startswith("42")


@pytest.mark.parametrize("kind", ["text", "interval"])
def test_an_interval_of_many_hours_cannot_be_printed_by_14(connect: Connect, kind: str) -> None:
    assert not total.is_total_cast(1186, 25)
    assert not total.is_total_function("extract", (705, 1186), ("year", None))
    expression = {"text": "v::text", "interval": "extract(year FROM v)"}[kind]
    assert raised(connect(14), iter([f"SELECT {expression} FROM extreme_interval"]))


@pytest.mark.parametrize("expression", ["v LIKE 'a%'", "v ILIKE 'a%'", "strpos(v, 'a') > 0"])
def test_nondeterministic_collations_raise_in_patterns(connect: Connect, expression: str) -> None:
    connection = connect(16)
    connection.execute(
        "CREATE COLLATION IF NOT EXISTS public.folded "
        "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    statement = f"SELECT {expression} FROM (SELECT v COLLATE public.folded FROM extreme_text) t(v)"
    assert raised(connection, iter([statement]))


def test_operands_of_two_collations_raise_at_run_time_only(connect: Connect) -> None:
    """The caller must compare collations: the analyser accepts this, a row makes it raise."""
    connection = connect(16)
    connection.execute('CREATE TEMP TABLE two (a text COLLATE "C", b text COLLATE "POSIX")')
    connection.execute("SELECT a < b FROM two")
    connection.execute("INSERT INTO two VALUES ('a', 'b')")
    assert raised(connection, iter(["SELECT a < b FROM two"]))


def test_unknown_types_and_names_are_not_total() -> None:
    assert not total.is_total_operator("=", 0, 0)
    assert not total.is_total_operator("=", 99_999, 99_999)
    assert not total.is_total_operator("=", 23, 25)
    assert not total.is_total_operator("<=>", 23, 23)
    assert not total.is_total_operator("~~", 25, 25)
    assert not total.is_total_operator("@>", 3802, 3802)
    assert not total.is_total_function("lower", ())
    assert not total.is_total_function("no_such_function", (25,))
    assert not total.is_total_function("now", (23,))
    assert not total.is_total_cast(0, 25)


def test_text_search_queries_are_total_with_known_configurations() -> None:
    def judged(configuration: str, query: str) -> bool:
        return total.is_total_function("plainto_tsquery", (705, 705), (configuration, query))

    assert judged("english", "foo bar")
    assert not judged("custom", "foo bar")
    assert not judged("english", "x" * 3000)
    assert not total.is_total_function("to_tsquery", (705, 705), ("english", "foo & bar"))
