"""SQLAlchemy 2 on the driver that the one argument names: reflection, statements, streaming, sessions."""

import asyncio
import ssl
import sys

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.ext import automap
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from steps import CERTIFICATE, DATABASE, HOST, PASSWORD, PORT, USER, error, tell

DRIVER = sys.argv[1]
SCHEMAS = ("app", "public", "trade")


def _engine() -> object:
    """An engine; the two drivers without libpq are given the certificate by hand."""
    url = URL.create(f"postgresql+{DRIVER}", USER, PASSWORD, HOST, PORT, DATABASE)
    context = ssl.create_default_context(cafile=CERTIFICATE)
    arguments = {"asyncpg": {"ssl": context}, "pg8000": {"ssl_context": context}}.get(DRIVER, {})
    make = create_async_engine if DRIVER == "asyncpg" else sa.create_engine
    return make(url, connect_args=arguments)


def version(_: sa.Connection) -> object:
    return sa.__version__


def schemas(connection: sa.Connection) -> object:
    inspector = sa.inspect(connection)
    return inspector.get_schema_names(), inspector.default_schema_name


def names(connection: sa.Connection) -> object:
    inspector = sa.inspect(connection)
    return [
        (
            sorted(inspector.get_table_names(s)),
            sorted(inspector.get_view_names(s)),
            sorted(inspector.get_materialized_view_names(s)),
        )
        for s in SCHEMAS
    ]


def columns(connection: sa.Connection) -> object:
    found = {}
    for schema in SCHEMAS:
        for (_, table), described in sorted(
            sa.inspect(connection).get_multi_columns(schema, kind=ObjectKind.ANY).items()
        ):
            found[f"{schema}.{table}"] = [
                (
                    c["name"],
                    repr(c["type"]),
                    c["nullable"],
                    c.get("identity"),
                    c.get("computed"),
                    c.get("comment"),
                )
                for c in described
            ]
    return found


def defaults(connection: sa.Connection) -> object:
    return [
        (table, c["name"], c["default"])
        for schema in SCHEMAS
        for (_, table), described in sorted(
            sa.inspect(connection).get_multi_columns(schema).items()
        )
        for c in described
        if c["default"] is not None
    ]


def keys(connection: sa.Connection) -> object:
    inspector, found = sa.inspect(connection), []
    for schema in SCHEMAS:
        found.append(
            sorted((str(k), str(v)) for k, v in inspector.get_multi_pk_constraint(schema).items())
        )
        found.append(
            sorted(
                (str(k), sorted(str(one) for one in v))
                for k, v in inspector.get_multi_foreign_keys(schema).items()
            )
        )
        found.append(
            sorted(
                (str(k), sorted(str(one) for one in v))
                for k, v in inspector.get_multi_unique_constraints(schema).items()
            )
        )
    return found


def indexes(connection: sa.Connection) -> object:
    return [
        sorted(
            (str(k), sorted(str(one) for one in v))
            for k, v in sa.inspect(connection).get_multi_indexes(s).items()
        )
        for s in SCHEMAS
    ]


def checks(connection: sa.Connection) -> object:
    return [
        sorted(
            (str(k), str(v))
            for k, v in sa.inspect(connection).get_multi_check_constraints(s).items()
        )
        for s in SCHEMAS
    ]


def comments(connection: sa.Connection) -> object:
    return [
        sorted(
            (str(k), str(v)) for k, v in sa.inspect(connection).get_multi_table_comment(s).items()
        )
        for s in SCHEMAS
    ]


def enums(connection: sa.Connection) -> object:
    return sa.inspect(connection).get_enums("app")


def domains(connection: sa.Connection) -> object:
    return sa.inspect(connection).get_domains("app")


def sequences(connection: sa.Connection) -> object:
    return sorted(sa.inspect(connection).get_sequence_names("app"))


def view_definition(connection: sa.Connection) -> object:
    return sa.inspect(connection).get_view_definition("published", "app")


def options(connection: sa.Connection) -> object:
    return sa.inspect(connection).get_table_options("posts", "app"), sa.inspect(
        connection
    ).has_table("missing", "app")


def reflected(connection: sa.Connection) -> object:
    metadata = sa.MetaData(schema="app")
    metadata.reflect(connection, views=True)
    posts = metadata.tables["app.posts"]
    sql = sa.select(posts.c.id, posts.c.title, posts.c.status, posts.c.tags).where(
        posts.c.id.in_([1, 2, 3]), posts.c.status == "review"
    )
    return sorted(metadata.tables), [
        tuple(row) for row in connection.execute(sql.order_by(posts.c.id))
    ]


def bound(connection: sa.Connection) -> object:
    sql = sa.text(
        "SELECT o_orderkey, o_totalprice, o_orderdate FROM trade.orders WHERE o_orderkey = :key"
    )
    return [tuple(connection.execute(sql, {"key": n}).one()) for n in range(1, 6)]


def streamed(connection: sa.Connection) -> object:
    options = {"stream_results": True, "max_row_buffer": 20}
    result = connection.execute(
        sa.text("SELECT id FROM app.posts ORDER BY id"), execution_options=options
    )
    return [row[0] for row in result]


def mapped(connection: sa.Connection) -> object:
    base = automap.automap_base(metadata=sa.MetaData(schema="trade"))
    base.prepare(connection)
    with Session(connection) as session:
        nation = base.classes.nation
        found = session.scalars(sa.select(nation).where(nation.n_name.like("F%"))).one()
        return found.n_name, found.region.r_name


def savepoint(connection: sa.Connection) -> object:
    with connection.begin_nested() as inner:
        try:
            connection.execute(sa.text("SELECT * FROM app.missing"))
        except sa.exc.DBAPIError as raised:
            found = error(raised)
            inner.rollback()
    return found, connection.execute(sa.text("SELECT 1")).scalar()


def isolation(connection: sa.Connection) -> object:
    return connection.get_isolation_level(), connection.default_isolation_level


def error_of_values(connection: sa.Connection) -> object:
    try:
        connection.execute(sa.text("SELECT 1 / (id - 1) FROM app.labels")).all()
    except sa.exc.DBAPIError as raised:
        connection.rollback()
        return error(raised)
    return "no error"


STEPS = (
    version,
    schemas,
    names,
    columns,
    defaults,
    keys,
    indexes,
    checks,
    comments,
    enums,
    domains,
    sequences,
)
STEPS += (
    view_definition,
    options,
    reflected,
    bound,
    streamed,
    mapped,
    savepoint,
    isolation,
    error_of_values,
)


def _take(connection: sa.Connection) -> None:
    for step in STEPS:
        try:
            tell(step.__name__, step(connection))
        except Exception as raised:
            connection.rollback()
            tell(step.__name__, raised)


async def _asynchronous(engine: object) -> None:
    async with engine.connect() as connection:
        await connection.run_sync(_take)
        result = await connection.stream(sa.text("SELECT id FROM app.posts ORDER BY id"))
        tell("streamed_async", [row[0] async for row in result])
    await engine.dispose()


def main() -> None:
    engine = _engine()
    if DRIVER == "asyncpg":
        asyncio.run(_asynchronous(engine))
    else:
        with engine.connect() as connection:
            _take(connection)
        with engine.connect() as connection:  # the pool gave it back after a rollback
            tell("pooled", connection.execute(sa.text("SHOW TimeZone")).scalar())
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            tell(
                "repeatable_read",
                connection.execute(sa.text("SHOW transaction_isolation")).scalar(),
            )
        engine.dispose()
    tell("end", 1)


if __name__ == "__main__":
    main()
