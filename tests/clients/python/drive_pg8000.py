"""pg8000: pure Python, unnamed statements, text both ways, no cancel."""

import io
import ssl

import pg8000
import pg8000.dbapi
import pg8000.native
from steps import CERTIFICATE, DATABASE, HOST, PASSWORD, PORT, USER, error, failure, run

Connection = pg8000.dbapi.Connection


def _options(**more: object) -> dict[str, object]:
    context = ssl.create_default_context(cafile=CERTIFICATE)
    return {
        "user": USER,
        "password": PASSWORD,
        "host": HOST,
        "port": PORT,
        "database": DATABASE,
        "ssl_context": context,
        **more,
    }


def _connect() -> Connection:
    return pg8000.dbapi.connect(**_options())


def _all(connection: Connection, sql: str, *arguments: object) -> object:
    cursor = connection.cursor()
    cursor.execute(sql, arguments)
    found = cursor.fetchall()
    connection.commit()
    return found


def version(_: Connection) -> object:
    return pg8000.__version__, len(PASSWORD) > 4096


def tables(connection: Connection) -> object:
    return _all(
        connection,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1",
        "app",
    )


def describe(connection: Connection) -> object:
    cursor = connection.cursor()
    cursor.execute("SELECT id, title, tags, created_at FROM app.posts LIMIT 0")
    connection.commit()
    return [column[:2] for column in cursor.description]


def plain(connection: Connection) -> object:
    return _all(connection, "SELECT * FROM app.posts WHERE id = %s", 4)


def every_type(connection: Connection) -> object:
    return [
        str(_all(connection, f"SELECT * FROM {table} WHERE id = 1"))
        for table in (
            "numbers",
            "texts",
            "times",
            "bits",
            "nets",
            "shapes",
            "lists",
            "documents",
            "spans",
        )
    ]


def many(connection: Connection) -> object:
    cursor = connection.cursor()
    cursor.executemany("SELECT %s::int", [(1,), (2,), (3,)])
    connection.commit()
    return cursor.rowcount


def native(_: Connection) -> object:
    opened = pg8000.native.Connection(**_options(application_name="native"))
    statement = opened.prepare("SELECT title FROM app.posts WHERE id = :id")
    found = [statement.run(id=n) for n in (1, 2)], [c["name"] for c in statement.columns]
    statement.close()
    found = (
        *found,
        opened.run("SELECT 1; SELECT 2"),
        opened.parameter_statuses["application_name"],
    )
    opened.close()
    return found


def cursor_in_sql(connection: Connection) -> object:
    cursor = connection.cursor()
    cursor.execute("DECLARE c CURSOR FOR SELECT id FROM app.posts ORDER BY id")
    cursor.execute("FETCH FORWARD 3 FROM c")
    first = cursor.fetchall()
    cursor.execute("MOVE 5 IN c")
    cursor.execute("FETCH NEXT FROM c")
    later = cursor.fetchall()
    connection.rollback()
    return first, later


def cursor_backwards(connection: Connection) -> object:
    cursor = connection.cursor()
    cursor.execute("DECLARE c SCROLL CURSOR FOR SELECT id FROM app.posts ORDER BY id")
    found = failure(lambda: cursor.execute("FETCH LAST FROM c"))
    connection.rollback()
    return found


def copied(connection: Connection) -> object:
    cursor, stream = connection.cursor(), io.BytesIO()
    cursor.execute(
        "COPY (SELECT * FROM app.labels ORDER BY id) TO STDOUT WITH (FORMAT csv)", stream=stream
    )
    connection.commit()
    return stream.getvalue()


def failed_transaction(connection: Connection) -> object:
    first = failure(lambda: connection.cursor().execute("SELECT * FROM app.missing"))
    second = failure(lambda: connection.cursor().execute("SELECT 1"))
    connection.rollback()
    return first, second, _all(connection, "SELECT 1")


def autocommit(connection: Connection) -> object:
    connection.autocommit = True
    found = (
        failure(lambda: connection.cursor().execute("SELECT 1 / (id - 1) FROM app.labels")),
        _all(connection, "SHOW TimeZone"),
    )
    connection.autocommit = False
    return found


def two_phase(connection: Connection) -> object:
    found = failure(lambda: connection.tpc_recover())
    connection.rollback()
    return found


def wrong_password(_: Connection) -> object:
    try:
        pg8000.dbapi.connect(**_options(password="wrong"))
    except pg8000.dbapi.DatabaseError as raised:
        return error(raised)
    return "let in"


def reconnect(_: Connection) -> object:
    second = _connect()
    found = _all(second, "SELECT count(*) FROM app.posts")
    second.close()
    return found


if __name__ == "__main__":
    run(_connect, globals())
