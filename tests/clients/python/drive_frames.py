"""Data frames: pandas over SQLAlchemy and ADBC, ADBC itself, connectorx."""

from urllib.parse import quote

import adbc_driver_postgresql
import adbc_driver_postgresql.dbapi as adbc
import connectorx
import pandas
import sqlalchemy as sa
from steps import CERTIFICATE, DATABASE, HOST, PASSWORD, PORT, USER, failure, tell

LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@{HOST}:{PORT}/{DATABASE}"
LIBPQ = f"postgresql://{LOGIN}?sslmode=verify-full&sslrootcert={quote(CERTIFICATE, safe='')}"
ORDERS = "SELECT o_orderkey, o_totalprice, o_orderdate, o_orderstatus FROM trade.orders ORDER BY o_orderkey LIMIT 20"


def version() -> object:
    return pandas.__version__, adbc_driver_postgresql.__version__, connectorx.__version__


def pandas_query() -> object:
    engine = sa.create_engine(f"postgresql+psycopg://{LOGIN}")
    with engine.connect() as connection:
        frame = pandas.read_sql(ORDERS, connection)
        some = pandas.read_sql(
            sa.text("SELECT * FROM app.posts WHERE id < :most ORDER BY id"),
            connection,
            params={"most": 4},
        )
    engine.dispose()
    return frame.to_csv(), {k: str(v) for k, v in frame.dtypes.items()}, some.to_json()


def pandas_table() -> object:
    engine = sa.create_engine(f"postgresql+psycopg2://{LOGIN}")
    frame = pandas.read_sql_table("labels", engine, schema="app", index_col="id")
    chunks = [
        len(chunk) for chunk in pandas.read_sql("SELECT * FROM trade.orders", engine, chunksize=100)
    ]
    engine.dispose()
    return frame.to_csv(), chunks


def pandas_write() -> object:
    engine = sa.create_engine(f"postgresql+psycopg://{LOGIN}")
    found = failure(lambda: pandas.DataFrame({"a": [1]}).to_sql("made", engine, schema="app"))
    engine.dispose()
    return found


def pandas_over_adbc() -> object:
    with adbc.connect(LIBPQ) as connection:
        return pandas.read_sql(ORDERS, connection).to_csv()


def adbc_query() -> object:
    with adbc.connect(LIBPQ) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, title, created_at, tags, rating FROM app.posts ORDER BY id LIMIT 10"
        )
        table = cursor.fetch_arrow_table()
        return str(table.schema), table.to_pylist()


def adbc_every_type() -> object:
    found = []
    with adbc.connect(LIBPQ) as connection:
        for name in (
            "numbers",
            "texts",
            "times",
            "bits",
            "nets",
            "shapes",
            "lists",
            "documents",
            "spans",
        ):
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {name} WHERE id = 1")
                found.append(str(cursor.fetch_arrow_table().to_pylist()))
    return found


def adbc_parameters() -> object:
    with adbc.connect(LIBPQ) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT title FROM app.posts WHERE id = $1", parameters=(7,))
        return cursor.fetchall()


def adbc_without_copy() -> object:
    with adbc.connect(LIBPQ) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        cursor.execute("SELECT id, name FROM app.labels ORDER BY id")
        return cursor.fetchall()


def adbc_objects() -> object:
    with adbc.connect(LIBPQ) as connection:
        return _sorted(
            connection.adbc_get_objects(
                depth="all", db_schema_filter="app", catalog_filter=DATABASE
            )
            .read_all()
            .to_pylist()
        )


def adbc_databases() -> object:
    with adbc.connect(LIBPQ) as connection:
        return [
            one["catalog_name"]
            for one in connection.adbc_get_objects(depth="catalogs").read_all().to_pylist()
        ]


def adbc_table() -> object:
    with adbc.connect(LIBPQ) as connection:
        return str(connection.adbc_get_table_schema("posts", db_schema_filter="app")), sorted(
            connection.adbc_get_table_types()
        )


def _sorted(value: object) -> object:
    """Lists in an order of their own: the driver asks for its objects without one."""
    if isinstance(value, list):
        return sorted((_sorted(one) for one in value), key=str)
    return {k: _sorted(v) for k, v in value.items()} if isinstance(value, dict) else value


def adbc_info() -> object:
    with adbc.connect(LIBPQ) as connection:
        return sorted(connection.adbc_get_info())


def adbc_error() -> object:
    with adbc.connect(LIBPQ) as connection, connection.cursor() as cursor:
        found = failure(lambda: cursor.execute("SELECT * FROM app.missing"))
        return found[:1]


def connectorx_query() -> object:
    table = connectorx.read_sql(
        LIBPQ.replace("verify-full", "require"), ORDERS, return_type="arrow"
    )
    return str(table.schema), table.to_pylist()


def connectorx_partitions() -> object:
    sql = "SELECT o_orderkey, o_totalprice::float8 FROM trade.orders"
    frame = connectorx.read_sql(
        LIBPQ.replace("verify-full", "require"), sql, partition_on="o_orderkey", partition_num=3
    )
    return frame.sort_values("o_orderkey").to_csv(index=False)


def connectorx_text_and_cursor() -> object:
    found = []
    for protocol in ("csv", "cursor", "binary"):
        table = connectorx.read_sql(
            LIBPQ.replace("verify-full", "require"),
            "SELECT id, name FROM app.labels ORDER BY id",
            protocol=protocol,
            return_type="arrow",
        )
        found.append(table.to_pylist())
    return found


STEPS = (
    version,
    pandas_query,
    pandas_table,
    pandas_write,
    pandas_over_adbc,
    adbc_query,
    adbc_every_type,
)
STEPS += (
    adbc_parameters,
    adbc_without_copy,
    adbc_objects,
    adbc_databases,
    adbc_table,
    adbc_info,
    adbc_error,
)
STEPS += (connectorx_query, connectorx_partitions, connectorx_text_and_cursor)


def main() -> None:
    for step in STEPS:
        try:
            tell(step.__name__, step())
        except Exception as raised:
            tell(step.__name__, raised)
    tell("end", 1)


if __name__ == "__main__":
    main()
