"""Who is driven: every client, its version from the lock that pins it, and how it is started."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.clients import install

HERE = Path(__file__).resolve().parent
LOCKS = {
    "python": ("python/requirements.lock", r"^{}==(\S+)"),
    "node": ("node/package.json", r'"{}": "([^"]+)"'),
    "go": ("go/go.mod", r"^require {} v(\S+)"),
    "rust": ("rust/Cargo.lock", r'name = "{}"\nversion = "([^"]+)"'),
}


@dataclass(frozen=True, slots=True)
class Client:
    """One program. `of` names what it drives: a language and its packages, or a version as text."""

    name: str
    title: str
    of: tuple[str, str]
    how: str
    command: Callable[[], list[str]]
    is_text: bool = False
    """Its transcript is what a person would see, errors in between, instead of lines of JSON."""

    @property
    def version(self) -> str:
        """The pinned version, or versions."""
        language, package = self.of
        if language not in LOCKS:
            return package
        return ", ".join(_pinned(*LOCKS[language], one) for one in package.split())


def _pinned(file: str, pattern: str, package: str) -> str:
    text = (HERE / file).read_text(encoding="utf-8")
    found = re.search(pattern.format(re.escape(package)), text, re.MULTILINE)
    assert found is not None, f"{package} is not pinned in {file}"
    return found[1]


def _python(name: str, title: str, package: str, how: str, *arguments: str) -> Client:
    program = str(HERE / "python" / f"drive_{name.partition('-')[0]}.py")

    def command() -> list[str]:
        return [str(install.python()), "-W", "ignore", program, *arguments]

    return Client(name, title, ("python", package), how, command)


def _node(name: str, title: str, package: str, how: str) -> Client:
    return Client(
        name,
        title,
        ("node", package),
        how,
        lambda: [install.program("node", "nodejs"), str(install.node() / f"drive_{name}.js")],
    )


def _psql(major: int, script: str, how: str) -> Client:
    def command() -> list[str]:
        return [*install.psql(major), "-X", "-f", str(HERE / "psql" / f"{script}.sql")]

    title = (
        "psql"
        if script != "tools"
        else "Npgsql, Power BI, Tableau, Metabase, DBeaver, Grafana, Superset"
    )
    version = str(major) if script != "tools" else "–"
    return Client(f"psql{major}_{script}", title, ("psql", version), how, command, is_text=True)


def _java() -> list[str]:
    jar, source = install.java(), HERE / "java" / "Client.java"
    # The quick compiler only: the program ends before a better one would pay.
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
    return [install.program("java", "default-jdk-headless"), *quick, "-cp", str(jar), str(source)]


_REFLECTION = "reflection, statements, streams, sessions"
CLIENTS: tuple[Client, ...] = (
    _psql(
        15,
        "session",
        r"`\d` family, `\copy`, tab completion, FETCH_COUNT, `\gdesc`; any 15 or newer",
    ),
    _psql(16, "session", "the same"),
    _psql(16, "newer", r"`\bind`, `\watch`"),
    _psql(18, "session", "the same as 15"),
    _psql(18, "newest", "pipelines, named statements"),
    _python(
        "psycopg",
        "psycopg 3",
        "psycopg",
        "sync: text, binary, prepared, server cursors, pipeline, COPY",
    ),
    _python("psycopg_async", "psycopg 3", "psycopg", "async: the same in short, cancelled tasks"),
    _python("psycopg2", "psycopg2", "psycopg2-binary", "simple queries, named cursors, COPY"),
    _python(
        "asyncpg", "asyncpg", "asyncpg", "binary, introspection, statement cache, pool resets, COPY"
    ),
    _python("pg8000", "pg8000", "pg8000", "dbapi and native, COPY"),
    _python("sqlalchemy-psycopg", "SQLAlchemy on psycopg 3", "sqlalchemy", _REFLECTION, "psycopg"),
    _python("sqlalchemy-psycopg2", "SQLAlchemy on psycopg2", "sqlalchemy", _REFLECTION, "psycopg2"),
    _python("sqlalchemy-asyncpg", "SQLAlchemy on asyncpg", "sqlalchemy", _REFLECTION, "asyncpg"),
    _python("sqlalchemy-pg8000", "SQLAlchemy on pg8000", "sqlalchemy", _REFLECTION, "pg8000"),
    _python("django", "Django", "django", "`inspectdb` of three schemas, ORM, `iterator()`"),
    _python(
        "frames",
        "pandas, ADBC, connectorx",
        "pandas adbc-driver-postgresql connectorx",
        "read_sql, binary COPY into Arrow, objects, partitions",
    ),
    _python(
        "agents",
        "LangChain, LlamaIndex",
        "langchain-community llama-index-core",
        "SQLDatabase: tables, description, query",
    ),
    _python(
        "odbc",
        "psqlODBC by pyodbc",
        "pyodbc",
        "catalog functions, UseDeclareFetch, Protocol 7.4-0 to -2",
    ),
    _node("pg", "node-postgres", "pg", "unnamed, named, binary, pg-cursor, pg-copy-streams, pool"),
    _node("postgres", "postgres.js", "postgres", "pipelines, describe by Flush, cursors, COPY"),
    _node("typeorm", "TypeORM", "typeorm", "reads a schema; query runner"),
    _node(
        "prisma", "Prisma", "@prisma/adapter-pg", "the driver adapter, with queries of its compiler"
    ),
    _node("drizzle", "drizzle-kit", "drizzle-kit", "`introspect`; drizzle-orm"),
    Client(
        "pgjdbc",
        "pgjdbc",
        ("maven", install.PGJDBC_VERSION),
        "autosave, prepareThreshold, fetch sizes, binary transfer, DatabaseMetaData",
        _java,
    ),
    Client(
        "pgx",
        "pgx",
        ("go", "github.com/jackc/pgx/v5"),
        "all five query modes, batches, pipelines, COPY, pool",
        lambda: [str(install.go())],
    ),
    Client(
        "tokio-postgres",
        "tokio-postgres",
        ("rust", "tokio-postgres"),
        "typed queries, portals, pipelining, COPY, what deadpool recycles with",
        lambda: [str(install.rust())],
    ),
    _psql(16, "tools", "the statements that they send around their queries"),
)
