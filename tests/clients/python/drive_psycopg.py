"""psycopg 3, synchronous: both formats, prepared statements, server cursors, pipelines, COPY."""

import threading
import time

import psycopg
from psycopg.rows import dict_row
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo
from psycopg.types.enum import EnumInfo
from steps import PASSWORD, failure, run

Connection = psycopg.Connection


def _connect(**options: str) -> Connection:
    return psycopg.connect(autocommit=True, **options)


def version(_: Connection) -> object:
    return psycopg.__version__


def long_password(_: Connection) -> object:
    return len(PASSWORD) >= 4096


def encryption(connection: Connection) -> object:
    return connection.pgconn.ssl_in_use, connection.info.parameter_status("server_encoding")


def reported(connection: Connection) -> object:
    names = ("client_encoding", "DateStyle", "TimeZone", "integer_datetimes", "is_superuser")
    return [connection.info.parameter_status(name) for name in names]


def tables(connection: Connection) -> object:
    sql = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('app', 'public', 'trade') ORDER BY 1, 2"
    return connection.execute(sql).fetchall()


def describe(connection: Connection) -> object:
    cursor = connection.execute("SELECT * FROM app.posts LIMIT 0")
    return [
        (c.name, c.type_code if c.type_code < 16384 else "own", c.display_size, c.precision)
        for c in cursor.description
    ]


def plain(connection: Connection) -> object:
    return connection.execute("SELECT * FROM public.numbers ORDER BY id").fetchall()


def several_statements(connection: Connection) -> object:
    cursor = connection.execute("SELECT 1; SELECT name FROM app.labels ORDER BY 1; SHOW TimeZone")
    sets = [cursor.fetchall()]
    while cursor.nextset():
        sets.append(cursor.fetchall())
    return sets


def prepared(connection: Connection) -> object:
    sql = "SELECT title FROM app.posts WHERE id = %s"
    return [connection.execute(sql, (n,), prepare=True).fetchone() for n in range(1, 8)]


def prepared_by_count(connection: Connection) -> object:
    sql = "SELECT count(*) FROM trade.orders WHERE o_custkey > %s AND o_orderstatus = %s"
    return [connection.execute(sql, (n, "O")).fetchone() for n in range(10)]


def prepared_evicted(connection: Connection) -> object:
    connection.prepared_max = 2
    found = [
        connection.execute(f"SELECT %s::int + {n}", (n,), prepare=True).fetchone() for n in range(6)
    ]
    connection.prepared_max = 100
    return found


def prepared_after_discard(connection: Connection) -> object:
    sql = "SELECT %s::text"
    first = connection.execute(sql, ("a",), prepare=True).fetchone()
    connection.execute("DEALLOCATE ALL")
    second = connection.execute(sql, ("b",), prepare=True).fetchone()
    connection.execute("DISCARD ALL")
    return first, second, connection.execute(sql, ("c",), prepare=True).fetchone()


def binary(connection: Connection) -> object:
    # Arrays of own types carry type numbers, which each server has its own of.
    lists = "(SELECT id, i, t, m, d, j FROM lists) lists"
    tables = ("bits", "nets", "times", "spans", "documents", lists, "numbers", "texts")
    cursor = connection.cursor(binary=True)
    return [cursor.execute(f"SELECT * FROM {one} WHERE id = 1").fetchall() for one in tables]


def binary_array_of_own_type(connection: Connection) -> object:
    info = EnumInfo.fetch(connection, "app.status")
    assert info is not None
    info.register(connection)
    cursor = connection.cursor(binary=True)
    return str(cursor.execute("SELECT s FROM lists WHERE id IN (1, 4) ORDER BY id").fetchall())


def binary_parameters(connection: Connection) -> object:
    sql = "SELECT id FROM app.posts WHERE id = ANY(%b) AND created_at > %b ORDER BY id"
    import datetime as dt

    return connection.execute(sql, ([3, 5, 9], dt.datetime(2026, 1, 1, tzinfo=dt.UTC))).fetchall()


def own_types(connection: Connection) -> object:
    enum = EnumInfo.fetch(connection, "app.status")
    composite = CompositeInfo.fetch(connection, "app.address")
    domain = TypeInfo.fetch(connection, "app.email")
    return enum.labels, composite.field_names, composite.field_types, domain.name


def enum_loaded(connection: Connection) -> object:
    EnumInfo.fetch(connection, "app.status").register(connection)
    return str(connection.execute("SELECT status FROM app.posts WHERE id = 2").fetchone())


def composite_loaded(connection: Connection) -> object:
    CompositeInfo.fetch(connection, "app.address").register(connection)
    return str(connection.execute("SELECT home FROM app.users WHERE id = 1").fetchone())


def composite_binary(connection: Connection) -> object:
    return str(
        connection.cursor(binary=True).execute("SELECT home FROM app.users WHERE id = 1").fetchone()
    )


def server_cursor(connection: Connection) -> object:
    with connection.transaction(), connection.cursor("named", scrollable=True) as cursor:
        cursor.itersize = 50
        cursor.execute("SELECT id FROM app.posts WHERE id > %s ORDER BY id", (5,))
        first = cursor.fetchmany(3)
        cursor.scroll(10)
        return first, cursor.fetchone(), len(cursor.fetchall()), cursor.rowcount


def server_cursor_binary(connection: Connection) -> object:
    with connection.transaction(), connection.cursor("named", binary=True) as cursor:
        cursor.execute("SELECT id, created_at FROM app.posts ORDER BY id")
        return cursor.fetchmany(2)


def server_cursor_with_hold(connection: Connection) -> object:
    cursor = connection.cursor("held", withhold=True)
    cursor.execute("SELECT id FROM app.labels ORDER BY id")
    found = cursor.fetchall()
    cursor.close()
    return found


def streamed(_: Connection) -> object:
    with (
        _connect() as second
    ):  # streaming would leave its mark on a pipeline of the same connection
        return sum(row[0] for row in second.cursor().stream("SELECT id FROM app.posts ORDER BY id"))


def streamed_in_chunks(_: Connection) -> object:
    with _connect() as second:
        sql = "SELECT id FROM app.posts ORDER BY id"
        return sum(row[0] for row in second.cursor().stream(sql, size=7))


def pipeline(connection: Connection) -> object:
    with connection.pipeline() as pipe:
        cursors = [
            connection.execute("SELECT title FROM app.posts WHERE id = %s", (n,)) for n in (1, 2, 3)
        ]
        pipe.sync()
        cursors.append(connection.execute("SELECT count(*) FROM app.users"))
        return [cursor.fetchall() for cursor in cursors]


def pipeline_with_error(connection: Connection) -> object:
    found = []
    try:
        with connection.pipeline() as pipe:
            found.append(connection.execute("SELECT 1").fetchall())  # a Flush without a Sync
            connection.execute("SELECT * FROM app.missing")
            later = connection.execute("SELECT 2")
            pipe.sync()
            found.append(later.fetchall())
    except psycopg.Error as raised:
        found.append(raised.sqlstate)
    return found, connection.execute("SELECT 3").fetchall()


def copy_text(connection: Connection) -> object:
    with connection.cursor().copy("COPY app.labels TO STDOUT") as copy:
        return sorted(bytes(line).decode() for line in copy)


def copy_query_rows(connection: Connection) -> object:
    with connection.cursor().copy(
        "COPY (SELECT id, name FROM app.labels ORDER BY id) TO STDOUT"
    ) as copy:
        return list(copy.rows())


def copy_binary(connection: Connection) -> object:
    sql = "COPY (SELECT id, title, created_at FROM app.posts ORDER BY id LIMIT 3) TO STDOUT (FORMAT binary)"
    with connection.cursor().copy(sql) as copy:
        copy.set_types(["int8", "text", "timestamptz"])
        return list(copy.rows())


def copy_abandoned(connection: Connection) -> object:
    try:
        with connection.cursor().copy("COPY trade.lineitem TO STDOUT") as copy:
            copy.read()
            raise InterruptedError
    except InterruptedError:
        pass
    return connection.execute("SELECT 1").fetchone()


def dictionaries(connection: Connection) -> object:
    return (
        connection.cursor(row_factory=dict_row)
        .execute("SELECT * FROM app.labels ORDER BY 1")
        .fetchone()
    )


def savepoints(connection: Connection) -> object:
    found: list[object] = []
    with connection.transaction():
        found.append(connection.execute("SELECT count(*) FROM app.posts").fetchone())
        with connection.transaction() as inner:
            found.append(failure(lambda: connection.execute("SELECT 1 / (id - 1) FROM app.posts")))
            raise psycopg.Rollback(inner)
        found.append(connection.execute("SELECT count(*) FROM app.users").fetchone())
    return found, connection.info.transaction_status.name


def failed_transaction(connection: Connection) -> object:
    connection.execute("BEGIN")
    first = failure(lambda: connection.execute("SELECT * FROM app.missing"))
    second = failure(lambda: connection.execute("SELECT 1"))
    status = connection.info.transaction_status.name
    connection.execute("ROLLBACK")
    return first, second, status


def setting_rolled_back(connection: Connection) -> object:
    connection.execute("BEGIN; SET LOCAL statement_timeout = '5s'; SET application_name = 'inside'")
    inside = connection.execute("SHOW statement_timeout").fetchone()
    connection.execute("ROLLBACK")
    return (
        inside,
        connection.execute("SHOW statement_timeout").fetchone(),
        connection.info.parameter_status("application_name"),
    )


def setting_kept(connection: Connection) -> object:
    connection.execute("SET TimeZone = 'Europe/Rome'")
    shown = connection.execute("SELECT created_at::text FROM app.posts WHERE id = 1").fetchone()
    reported = connection.info.parameter_status("TimeZone")
    connection.execute("RESET TimeZone")
    return shown, reported, connection.info.parameter_status("TimeZone")


def read_only_and_isolation(connection: Connection) -> object:
    connection.autocommit = False
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    found = (
        connection.execute("SHOW transaction_isolation").fetchone(),
        connection.execute("SHOW transaction_read_only").fetchone(),
    )
    connection.rollback()
    connection.read_only = connection.isolation_level = None
    connection.autocommit = True
    return found


def timeout(connection: Connection) -> object:
    connection.execute("SET statement_timeout = '150ms'")
    slow = "SELECT count(*) FROM trade.lineitem a, trade.lineitem b, trade.lineitem c WHERE a.l_quantity + b.l_quantity + c.l_quantity < 0"
    found = failure(lambda: connection.execute(slow))
    connection.execute("RESET statement_timeout")
    return found


def cancel(connection: Connection) -> object:
    slow = "SELECT count(*) FROM trade.lineitem a, trade.lineitem b, trade.lineitem c WHERE a.l_quantity + b.l_quantity + c.l_quantity < 0"

    asked: list[object] = []

    def later() -> None:
        time.sleep(0.3)
        asked.append(failure(connection.cancel_safe))  # libpq 17 and newer: over TLS, too

    thread = threading.Thread(target=later)
    thread.start()
    found = failure(lambda: connection.execute(slow))
    thread.join()
    return asked, found, connection.execute("SELECT 1").fetchone()


def error_words(connection: Connection) -> object:
    found = []
    for sql in (
        "SELECT * FROM app.missing",
        "SELECT nothing FROM app.posts",
        "SELEC 1",
        "SELECT 'x'::int",
        "SELECT lower(1, 2)",
    ):
        try:
            connection.execute(sql)
        except psycopg.Error as raised:
            detail = raised.diag
            found.append(
                (
                    raised.sqlstate,
                    detail.severity,
                    detail.message_primary,
                    detail.statement_position,
                    detail.message_hint,
                )
            )
    return found


def setting_by_parameter(connection: Connection) -> object:
    """As LangChain's SQLDatabase with a schema: no server takes it."""
    try:
        connection.execute("SET search_path TO %s", ("app",))
    except psycopg.Error as raised:
        return raised.sqlstate, raised.diag.message_primary, raised.diag.statement_position
    return "set"


def error_of_values(connection: Connection) -> object:
    texts = (
        "SELECT 1 / (id - 1) FROM app.labels",
        "SELECT name::int FROM app.labels",
        "SELECT 2147483647 + id FROM app.labels",
    )
    return [failure(lambda sql=sql: connection.execute(sql)) for sql in texts]


def error_of_writing(connection: Connection) -> object:
    return failure(lambda: connection.execute("INSERT INTO app.labels (name) VALUES ('x')"))


def notices(connection: Connection) -> object:
    heard: list[str] = []
    connection.add_notice_handler(lambda notice: heard.append(notice.sqlstate or ""))
    connection.execute("COMMIT")
    connection.execute("ROLLBACK")
    return heard


def reconnect(_: Connection) -> object:
    with _connect(application_name="again") as second:
        second.execute("SET search_path = app")
        return second.execute(
            "SELECT count(*) FROM posts"
        ).fetchone(), second.info.parameter_status("application_name")


def options(_: Connection) -> object:
    given = "-c search_path=app,public -c statement_timeout=9000 -c extra_float_digits=3"
    with psycopg.connect(options=given) as second:
        path = second.execute("SHOW search_path").fetchone()
        return (
            path,
            second.execute("SHOW statement_timeout").fetchone(),
            second.execute("SELECT count(*) FROM labels").fetchone(),
        )


def wrong_password(_: Connection) -> object:
    try:
        _connect(password="not.a.token")
    except psycopg.OperationalError as raised:
        return raised.sqlstate or "refused"
    return "let in"


def wrong_database(_: Connection) -> object:
    try:
        _connect(dbname="elsewhere")
    except psycopg.OperationalError as raised:
        return "does not exist" in str(raised)
    return "let in"


if __name__ == "__main__":
    run(_connect, globals())
