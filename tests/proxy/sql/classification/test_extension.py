"""The reviews: every member of each extension is in its file, and allowed operators never raise."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import psycopg
import pytest

from proxy.sql.classification.extension import operator_name, review, reviewed_extensions
from tests.servers import install, postgres

MAJOR = 16
VALUES = {
    "citext": ("''", "'a'", "'A\\'", "repeat('İß', 5000)", "'%'"),
    "hstore": ("''", "'a=>1'", '\'a=>NULL, ""=>""\'', "hstore('k', repeat('x', 100000))"),
    "text": ("''", "'a'", "'%\\'", "repeat('x', 100000)"),
    "text[]": ("'{}'", "'{a,NULL}'", "'{{a},{b}}'"),
    "vector": ("'[1]'", "'[1,2]'", "'[3e38,-3e38]'", "array_fill(1, '{16000}')::vector"),
    "halfvec": ("'[1]'", "'[1,2]'", "'[65504,-65504]'"),
    "sparsevec": ("'{}/1'", "'{1:1}/2'", "'{2:3e38}/1000000000'"),
}
_MEMBERS = """
SELECT 'type', typname FROM pg_type t JOIN pg_depend d ON d.objid = t.oid
  AND d.classid = 'pg_type'::regclass JOIN pg_extension x ON x.oid = d.refobjid
WHERE x.extname = %(name)s AND d.deptype = 'e' AND typcategory <> 'A'
UNION SELECT 'function', proname FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid
  AND d.classid = 'pg_proc'::regclass JOIN pg_extension x ON x.oid = d.refobjid
WHERE x.extname = %(name)s AND d.deptype = 'e'
UNION SELECT 'operator', oprname || '(' || CASE WHEN oprleft = 0 THEN '' ELSE
  format_type(oprleft, NULL) END || ',' || format_type(oprright, NULL) || ')'
FROM pg_operator o JOIN pg_depend d ON d.objid = o.oid AND d.classid = 'pg_operator'::regclass
  JOIN pg_extension x ON x.oid = d.refobjid WHERE x.extname = %(name)s AND d.deptype = 'e'
"""
# Functions that the planner gives no value of a column: their operators may raise.
_TRIED = """
SELECT oprname || '(' || CASE WHEN oprleft = 0 THEN '' ELSE format_type(oprleft, NULL) END
  || ',' || format_type(oprright, NULL) || ')'
FROM pg_operator o JOIN pg_depend d ON d.objid = o.oid AND d.classid = 'pg_operator'::regclass
  JOIN pg_extension x ON x.oid = d.refobjid
WHERE x.extname = %(name)s AND d.deptype = 'e' AND (oprrest <> 0 OR oprjoin <> 0)
"""
NOT_VALUES = {"~", "!~", "~*", "!~*"}  # the pattern raises by itself, whatever the value


@pytest.fixture(scope="module")
def extended(
    postgres_of: Callable[[int], postgres.Server],
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A database with every extension that has a review."""
    install.postgres_with_vector(MAJOR)
    server = postgres_of(MAJOR)
    with server.database("reviews") as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        for name in LIVE:
            connection.execute(f"CREATE EXTENSION {name}")
        yield connection


LIVE = tuple(name for name in reviewed_extensions() if name != "postgis")


@pytest.mark.parametrize("name", LIVE)
def test_every_member_is_reviewed(
    extended: psycopg.Connection[tuple[object, ...]], name: str
) -> None:
    reviewed = review(name)
    assert reviewed is not None
    found = set(extended.execute(_MEMBERS, {"name": name}).fetchall())

    assert found == {(entry.kind, entry.name) for entry in reviewed.entries}


@pytest.mark.parametrize("name", LIVE)
def test_an_allowed_operator_that_the_planner_tries_raises_on_no_value(
    extended: psycopg.Connection[tuple[object, ...]], name: str
) -> None:
    reviewed = review(name)
    assert reviewed is not None
    tried = {str(row[0]) for row in extended.execute(_TRIED, {"name": name}).fetchall()}
    checked = 0
    for signature in sorted(tried & reviewed.allowed("operator")):
        operator = operator_name(signature)
        left, right = signature[len(operator) + 1 : -1].split(",")
        if operator in NOT_VALUES or "~~" in operator:
            continue
        for one, two in itertools.product(VALUES[left], VALUES[right]):
            extended.execute(f"SELECT ({one})::{left} {operator} ({two})::{right}")
            checked += 1

    assert checked > 0


def test_an_extension_without_a_file_has_no_review() -> None:
    assert review("no_such_extension") is None
    assert review("reasons") is None
