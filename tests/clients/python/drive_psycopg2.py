"""psycopg2: simple queries only, values interpolated by the client, named cursors, COPY."""

import io
import re
import threading
import time

import psycopg2
import psycopg2.extensions
import psycopg2.extras
from steps import PASSWORD, failure, run

Connection = psycopg2.extensions.connection
SLOW = "SELECT count(*) FROM trade.lineitem a, trade.lineitem b, trade.lineitem c WHERE a.l_quantity + b.l_quantity + c.l_quantity < 0"


def _connect(**options: str) -> Connection:
    return psycopg2.connect("", **options)


def _all(connection: Connection, sql: str, *arguments: object) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments or None)
        found = cursor.fetchall()
    connection.commit()
    return found


def version(_: Connection) -> object:
    return psycopg2.__version__.split()[0]


def encryption(connection: Connection) -> object:
    return (
        connection.info.ssl_in_use,
        connection.info.ssl_attribute("protocol"),
        len(PASSWORD) > 4096,
    )


def tables(connection: Connection) -> object:
    return _all(
        connection,
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'app' ORDER BY 1, 2",
    )


def plain(connection: Connection) -> object:
    return _all(
        connection,
        "SELECT * FROM app.posts WHERE id = ANY(%s) AND title LIKE %s ORDER BY id",
        [3, 4, 50],
        "Post%",
    )


def types_of_values(connection: Connection) -> object:
    return [
        re.sub(r" at 0x\w+", "", str(_all(connection, f"SELECT * FROM {table} WHERE id = 1")))
        for table in ("numbers", "texts", "times", "bits", "nets", "lists", "documents", "spans")
    ]


def json_and_uuid(connection: Connection) -> object:
    psycopg2.extras.register_uuid(conn_or_curs=connection)
    psycopg2.extras.register_default_jsonb(conn_or_curs=connection)
    psycopg2.extras.register_inet(conn_or_curs=connection)
    return _all(connection, "SELECT id, guest FROM app.bookings WHERE room = %s ORDER BY id", 2)


def composite(connection: Connection) -> object:
    caster = psycopg2.extras.register_composite("app.address", connection)
    connection.commit()
    return caster.attnames, str(_all(connection, "SELECT home FROM app.users WHERE id = 1"))


def range_of_numbers(connection: Connection) -> object:
    psycopg2.extras.register_range("int4range", "Band", connection)
    connection.commit()
    return str(
        _all(
            connection, "SELECT price_band FROM app.bookings WHERE room = 1 ORDER BY during LIMIT 2"
        )
    )


def named_cursor(connection: Connection) -> object:
    with connection.cursor("named", scrollable=True) as cursor:
        cursor.itersize = 17
        cursor.execute("SELECT id FROM app.posts WHERE id > %s ORDER BY id", (3,))
        first = cursor.fetchmany(2)
        cursor.scroll(5)
        rest = [row[0] for row in cursor]
    connection.commit()
    return first, rest


def prepared_in_sql(connection: Connection) -> object:
    _all(connection, "SELECT 1")
    with connection.cursor() as cursor:
        cursor.execute("PREPARE by_id (int) AS SELECT title FROM app.posts WHERE id = $1")
        psycopg2.extras.execute_batch(
            cursor, "EXECUTE by_id (%s)", [(n,) for n in range(1, 6)], page_size=2
        )
        found = cursor.fetchall()
        cursor.execute("DEALLOCATE by_id")
    connection.commit()
    return found


def copied(connection: Connection) -> object:
    plain_text, csv = io.StringIO(), io.StringIO()
    with connection.cursor() as cursor:
        cursor.execute("SET search_path = app")
        cursor.copy_to(plain_text, "labels", columns=("name",))
        cursor.copy_expert("COPY (SELECT * FROM labels ORDER BY 1) TO STDOUT WITH CSV HEADER", csv)
    connection.rollback()
    return plain_text.getvalue(), csv.getvalue()


def transactions(connection: Connection) -> object:
    connection.set_session(isolation_level="SERIALIZABLE", readonly=True)
    found = [
        _all(connection, f"SHOW {name}")
        for name in ("transaction_isolation", "transaction_read_only")
    ]
    connection.set_session(isolation_level="DEFAULT", readonly="DEFAULT")
    with connection.cursor() as cursor:
        found.append(failure(lambda: cursor.execute("SELECT * FROM app.missing")))
        found.append(failure(lambda: cursor.execute("SELECT 1")))
    connection.rollback()
    return found, connection.status


def transaction_that_may_write(connection: Connection) -> object:
    connection.set_session(readonly=False)
    found = failure(lambda: connection.cursor().execute("SELECT 1"))
    connection.rollback()
    connection.set_session(readonly="DEFAULT")
    return found


def reset(connection: Connection) -> object:
    with connection.cursor() as cursor:
        cursor.execute("SET TimeZone = 'Asia/Tokyo'")
    connection.reset()
    return _all(connection, "SHOW TimeZone")


def autocommit(connection: Connection) -> object:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1; SELECT 2")
        found = cursor.fetchall(), cursor.statusmessage
    connection.autocommit = False
    return found


def encoding(connection: Connection) -> object:
    connection.set_client_encoding("UTF8")
    return connection.encoding, _all(
        connection, 'SELECT "Ünïcode" FROM app."Mixed Case" ORDER BY "Id"'
    )


def encoding_that_is_old(connection: Connection) -> object:
    found = failure(lambda: connection.set_client_encoding("LATIN1"))
    connection.rollback()
    return found


def cancel(connection: Connection) -> object:
    threading.Thread(target=lambda: (time.sleep(0.3), connection.cancel())).start()
    with connection.cursor() as cursor:
        found = failure(lambda: cursor.execute(SLOW))
    connection.rollback()
    return found, _all(connection, "SELECT 1")


def errors(connection: Connection) -> object:
    found = []
    for sql in (
        "SELECT * FROM app.missing",
        "SELEC 1",
        "SELECT 1 / (id - 1) FROM app.labels",
        "DELETE FROM app.labels",
        "NOTIFY x",
    ):
        with connection.cursor() as cursor:
            found.append(failure(lambda c=cursor, s=sql: c.execute(s)))
        connection.rollback()
    return found


def dictionaries(connection: Connection) -> object:
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute("SELECT * FROM app.labels ORDER BY id LIMIT 2")
        return [dict(row) for row in cursor]


def reconnect(_: Connection) -> object:
    second = _connect(application_name="again", options="-c statement_timeout=7s")
    found = _all(second, "SHOW application_name"), _all(second, "SHOW statement_timeout")
    second.close()
    return found


if __name__ == "__main__":
    run(_connect, globals())
