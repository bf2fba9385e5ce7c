"""psqlODBC by pyodbc: catalog functions, cursors fetched in pieces, its ways of keeping a transaction alive."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyodbc
from steps import CERTIFICATE, DATABASE, HOST, PASSWORD, PORT, USER, run

SLOW = "SELECT count(*) FROM trade.lineitem a, trade.lineitem b, trade.lineitem c WHERE a.l_quantity + b.l_quantity + c.l_quantity < 0"
DRIVER = str(next(Path("/usr/lib").glob("*/odbc/psqlodbcw.so")))

# libpq inside the driver takes what the connection string has no word for from the environment.
os.environ["PGSSLROOTCERT"] = CERTIFICATE


def _connect(password: str = PASSWORD, **options: object) -> pyodbc.Connection:
    given = {
        "Driver": DRIVER,
        "Server": HOST,
        "Port": PORT,
        "Database": DATABASE,
        "UID": USER,
        "PWD": password,
        "SSLmode": "verify-full",
        **options,
    }
    return pyodbc.connect(
        ";".join(f"{name}={value}" for name, value in given.items()), autocommit=True
    )


def _failure(action: Callable[[], object]) -> str:
    try:
        action()
    except pyodbc.Error as raised:
        return str(raised.args[0])
    return "no error"


def _all(cursor: pyodbc.Cursor) -> object:
    return [tuple(row) for row in cursor.fetchall()]


def version(connection: pyodbc.Connection) -> object:
    return connection.getinfo(pyodbc.SQL_DRIVER_VER), pyodbc.version, len(PASSWORD) > 4096


def server(connection: pyodbc.Connection) -> object:
    return (
        connection.getinfo(pyodbc.SQL_DBMS_NAME),
        connection.getinfo(pyodbc.SQL_DBMS_VER)[:2],
        connection.getinfo(pyodbc.SQL_DATA_SOURCE_READ_ONLY),
    )


def tables(connection: pyodbc.Connection) -> object:
    return sorted(
        (row.table_schem, row.table_name, row.table_type)
        for row in connection.cursor().tables(schema="app")
    )


def columns(connection: pyodbc.Connection) -> object:
    found = []
    for table in ("posts", "users", "bookings"):
        found += [
            (
                row.table_name,
                row.column_name,
                row.data_type,
                row.type_name,
                row.column_size,
                row.nullable,
            )
            for row in connection.cursor().columns(schema="app", table=table)
        ]
    return found


def column_defaults(connection: pyodbc.Connection) -> object:
    return [
        (row.column_name, row.column_def, row.is_nullable)
        for row in connection.cursor().columns(schema="app", table="labels")
    ]


def keys(connection: pyodbc.Connection) -> object:
    primary = [
        (row.column_name, row.pk_name)
        for row in connection.cursor().primaryKeys("lineitem", schema="trade")
    ]
    foreign = [
        (row.pktable_name, row.fkcolumn_name)
        for row in connection.cursor().foreignKeys(foreignTable="comments", foreignSchema="app")
    ]
    return primary, sorted(foreign)


def statistics(connection: pyodbc.Connection) -> object:
    return sorted(
        (row.index_name or "", row.column_name or "", row.non_unique)
        for row in connection.cursor().statistics("users", schema="app")
    )


def types(connection: pyodbc.Connection) -> object:
    return sorted(row.type_name for row in connection.cursor().getTypeInfo())


def procedures(connection: pyodbc.Connection) -> object:
    return len(connection.cursor().procedures(schema="app").fetchall())


def plain(connection: pyodbc.Connection) -> object:
    return _all(
        connection.cursor().execute(
            "SELECT id, title, status, tags, rating, created_at FROM app.posts ORDER BY id LIMIT 5"
        )
    )


def every_type(connection: pyodbc.Connection) -> object:
    return [
        str(_all(connection.cursor().execute(f"SELECT * FROM {table} WHERE id = 1")))
        for table in ("numbers", "texts", "bits", "nets", "lists", "documents")
    ]


def bound(connection: pyodbc.Connection) -> object:
    cursor = connection.cursor()
    return [
        _all(
            cursor.execute(
                "SELECT id, title FROM app.posts WHERE id = ? AND title = ?", n, f"Post number {n}"
            )
        )
        for n in range(1, 5)
    ]


def client_side(_: pyodbc.Connection) -> object:
    with _connect(UseServerSidePrepare=0) as second:
        return _all(second.cursor().execute("SELECT title FROM app.posts WHERE id = ?", 4))


def declare_and_fetch(_: pyodbc.Connection) -> object:
    """A cursor WITH HOLD behind every query, in a transaction and without one."""
    found = []
    for is_alone in (False, True):
        with _connect(UseDeclareFetch=1, Fetch=7) as second:
            second.autocommit = is_alone
            found.append(len(_all(second.cursor().execute("SELECT id FROM app.posts ORDER BY id"))))
            found.append(
                len(
                    _all(
                        second.cursor().execute(
                            "SELECT o_orderkey FROM trade.orders WHERE o_orderkey > ?", 10
                        )
                    )
                )
            )
            second.commit()
    return found


def rollback_modes(_: pyodbc.Connection) -> object:
    """What an error does to the transaction: nothing, all of it, or only the statement."""
    found = []
    for protocol in ("7.4-0", "7.4-1", "7.4-2"):
        with _connect(Protocol=protocol) as second:
            second.autocommit = False
            cursor = second.cursor()
            cursor.execute("SELECT 1").fetchall()
            first = _failure(lambda c=cursor: c.execute("SELECT * FROM app.missing"))
            found.append((protocol, first, _failure(lambda c=cursor: c.execute("SELECT 2"))))
            second.rollback()
    return found


def isolation(_: pyodbc.Connection) -> object:
    with _connect() as second:
        second.set_attr(pyodbc.SQL_ATTR_TXN_ISOLATION, pyodbc.SQL_TXN_SERIALIZABLE)
        second.autocommit = False
        return _all(second.cursor().execute("SHOW transaction_isolation"))


def settings_of_the_driver(_: pyodbc.Connection) -> object:
    settings = "{options='-c search_path=app -c statement_timeout=4000'}"
    with _connect(
        pqopt=settings,
        ByteaAsLongVarBinary=1,
        MaxVarcharSize=4096,
        BoolsAsChar=0,
        ReadOnly=1,
    ) as second:
        return [
            _all(second.cursor().execute(sql))
            for sql in ("SELECT count(*) FROM labels", "SHOW statement_timeout")
        ]


def several(connection: pyodbc.Connection) -> object:
    cursor = connection.cursor().execute("SELECT 1; SELECT 2")
    first = _all(cursor)
    cursor.nextset()
    return first, _all(cursor)


def cancel(connection: pyodbc.Connection) -> object:
    cursor = connection.cursor()
    threading.Thread(target=lambda: (time.sleep(0.5), cursor.cancel())).start()
    return _failure(lambda: cursor.execute(SLOW)), _all(connection.cursor().execute("SELECT 1"))


def errors(connection: pyodbc.Connection) -> object:
    texts = (
        "SELECT * FROM app.missing",
        "SELEC 1",
        "SELECT 1 / (id - 1) FROM app.labels",
        "DELETE FROM app.labels",
    )
    return [_failure(lambda sql=sql: connection.cursor().execute(sql)) for sql in texts]


def wrong_password(_: pyodbc.Connection) -> object:
    return _failure(lambda: _connect("wrong"))


def reconnect(_: pyodbc.Connection) -> object:
    with _connect() as second:
        return _all(second.cursor().execute("SELECT count(*) FROM app.posts"))


if __name__ == "__main__":
    run(_connect, globals())
