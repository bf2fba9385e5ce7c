"""Read the live servers and write the data files of the classification.

    python -m tests.proxy.sql.classification.regenerate

The review is `proxy/sql/classification/rules.py`; after changing it, run this and read the diff.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import psycopg

from proxy.sql.classification import generate
from tests.servers import postgres

DATA = Path(str(resources.files("proxy.sql.classification")))


def snapshot(major: int, dsn: str) -> generate.Snapshot:
    """What one server says of its built-ins."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SET search_path = pg_catalog")
        return generate.Snapshot(
            major,
            functions=connection.execute(generate.FUNCTIONS_QUERY).fetchall(),
            operators=connection.execute(generate.OPERATORS_QUERY).fetchall(),
            types=connection.execute(generate.TYPES_QUERY).fetchall(),
        )


def main() -> None:
    """Start each version in turn, then write every file."""
    snapshots = []
    for major in postgres.MAJORS:
        with postgres.running(major) as server:
            print(f"PostgreSQL {major} …", flush=True)
            snapshots.append(snapshot(major, server.dsn))
    for name, text in generate.files(snapshots).items():
        (DATA / name).write_text(text, encoding="utf-8")
        print(f"{name}: {text.count(chr(10)) - 1} rows")


if __name__ == "__main__":
    main()
