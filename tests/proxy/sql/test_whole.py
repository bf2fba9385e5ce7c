"""Whole statements over files: taken where DuckDB answers all of it, left where it does not."""

from __future__ import annotations

import pytest

from proxy.sql.split import MERGE
from tests.proxy.sql.two_files import guarded


def taken(sql: str) -> tuple[str, str] | None:
    """What DuckDB is asked and what remains, None where the statement was taken apart."""
    found = guarded(sql)
    assert found.source == MERGE
    if found.parts[0].table != "w1":
        return None
    (part,) = found.parts
    assert part.files is not None
    assert part.files.direct is not None
    return part.files.direct.sql, found.rewritten.sql.replace("pg_catalog.", "")


def test_an_answer_is_handed_on() -> None:
    found = taken("SELECT country, count(*) FROM web.targets GROUP BY 1 ORDER BY 2 DESC LIMIT 3")
    assert found == (
        'SELECT "targets"."country" AS "c1", count(*) AS "c2" FROM (SELECT "targets"."country" AS'
        ' "country" FROM "web"."targets" AS "targets") AS "targets" GROUP BY "targets"."country"'
        " ORDER BY count(*) DESC NULLS FIRST LIMIT 3",
        "SELECT answer.c1 AS country, answer.c2 AS count FROM (SELECT c1, c2 FROM pg_temp.w1) answer",
    )


def test_an_average_is_divided_by_postgres() -> None:
    found = taken("SELECT avg(target) AS mean, max(target) FROM web.targets")
    assert found is not None
    asked, remains = found
    assert 'CAST(sum("targets"."target") AS BIGINT) AS "c1"' in asked
    assert 'count("targets"."target") AS "c3"' in asked
    assert "answer.c1 / answer.c3::numeric AS mean" in remains


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT avg(target) FROM web.targets ORDER BY 1",
        "SELECT avg(target) AS mean FROM web.targets GROUP BY country ORDER BY mean",
        "SELECT max(country) FROM web.targets",
        "SELECT country FROM web.targets ORDER BY country",
        "SELECT upper(country) FROM web.targets",
        "SELECT sum(target + 1) FROM web.targets",
        "SELECT country FROM web.events",
        "SELECT * FROM web.targets UNION SELECT * FROM web.targets",
        "SELECT rank() OVER (ORDER BY target) FROM web.targets",
        "SELECT string_agg(country, ',') FROM web.targets",
        "SELECT count(*) FROM web.targets a FULL JOIN web.targets b ON a.target = b.target",
        "SELECT count(*) FROM web.targets a JOIN web.targets b USING (target)",
        "SELECT count(*) FROM web.targets a, LATERAL (SELECT a.target) b",
        "WITH x AS (SELECT 1 AS n FROM web.targets) SELECT n FROM x",
        "SELECT t FROM web.targets t",
        "SELECT (SELECT count(*) FROM web.targets) FROM web.targets",
        "SELECT count(*) FROM web.targets GROUP BY ROLLUP (country)",
        "SELECT DISTINCT ON (country) country, target FROM web.targets",
        "SELECT target FROM web.targets ORDER BY target FETCH FIRST 2 ROWS WITH TIES",
    ],
)
def test_the_rest_is_postgres_own(sql: str) -> None:
    assert taken(sql) is None
