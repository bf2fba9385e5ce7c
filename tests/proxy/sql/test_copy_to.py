"""COPY's options: those that Postgres takes pass in one form, every other shape is refused before
it is printed."""

from __future__ import annotations

import pytest

from proxy.faults import Fault
from proxy.sql.classify import classify
from proxy.sql.parse import parse
from proxy.sql.pipeline import local_names
from proxy.sql.plan import copy_fragment
from tests.proxy.sql.fixture import guarded


def options(text: str, table: str = "people") -> str:
    """What of the options is printed for the source."""
    sql = f"COPY {table} TO STDOUT ({text})"
    (statement,) = parse(sql)
    copy = classify(local_names(statement, "analytics")).copy
    assert copy is not None
    printed = copy_fragment(guarded("SELECT id FROM people").verified, "main", copy).sql
    return printed.rpartition(" TO STDOUT ")[2]


@pytest.mark.parametrize(
    ("asked", "printed"),
    [
        ("FORMAT csv", "CSV"),
        ("FORMAT 'binary'", "WITH (FORMAT BINARY)"),
        ("HEADER", "WITH (HEADER)"),
        ("HEADER 0", "WITH (HEADER false)"),
        ("HEADER 'On'", "WITH (HEADER true)"),
        ("DELIMITER ';', NULL 'x'", "WITH (DELIMITER ';', NULL 'x')"),
        ("DELIMITER 1", "WITH (DELIMITER '1')"),
        ("NULL 1.5", "WITH (NULL '1.5')"),
        ("DELIMITER true", "WITH (DELIMITER 'true')"),
        ("FORCE_QUOTE *", "WITH (FORCE_QUOTE *)"),
        ("FORCE_QUOTE (id, name)", "FORCE QUOTE id, name"),
        ("ENCODING 'utf8'", "WITH (ENCODING 'utf8')"),
    ],
)
def test_what_postgres_takes_is_printed(asked: str, printed: str) -> None:
    assert options(asked) == printed


# The printer ends the process for most of these.
ILL_FORMED = [
    ("FORMAT", "42601"), ("FORMAT (a, b)", "42601"), ("FORMAT 1", "22023"), ("FORMAT xml", "22023"),
    ("DELIMITER", "42601"), ("DELIMITER (a)", "42601"), ("NULL", "42601"), ("QUOTE", "42601"),
    ("ESCAPE", "42601"), ("ESCAPE *", "42601"), ("ENCODING", "42601"), ("ENCODING 5", "0A000"),
    ("HEADER (a)", "42601"), ("HEADER 2", "42601"), ("HEADER match", "0A000"),
    ("FORCE_QUOTE", "22023"), ("FORCE_QUOTE 1", "22023"), ("FORCE_QUOTE true", "22023"),
    ("FREEZE", "0A000"), ("OIDS", "0A000"),
]  # fmt: skip


@pytest.mark.parametrize("table", ["people", "analytics.public.people"])
@pytest.mark.parametrize(("asked", "sqlstate"), ILL_FORMED)
def test_any_other_shape_is_refused(asked: str, sqlstate: str, table: str) -> None:
    with pytest.raises(Fault) as told:
        options(asked, table)

    assert told.value.sqlstate == sqlstate


@pytest.mark.parametrize(
    "sql",
    ["COPY people FROM STDIN", "COPY people TO PROGRAM 'cat'", "COPY people TO '/tmp/x'",
     "COPY (DELETE FROM people RETURNING 1) TO STDOUT"],
)  # fmt: skip
def test_it_only_reads_and_only_to_the_client(sql: str) -> None:
    (statement,) = parse(sql)
    with pytest.raises(Fault) as told:
        classify(statement)

    assert told.value.sqlstate == "42501"
