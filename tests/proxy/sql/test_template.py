"""Templates: what is lifted, what stays, and that no two meanings share a key."""

from __future__ import annotations

import pytest

from proxy.sql.parse import parse
from proxy.sql.template import lift, with_text


def lifted(sql: str) -> tuple[str, tuple[bytes, ...], tuple[int, ...]] | None:
    (statement,) = parse(sql)
    template = lift(statement)
    if template is None:
        return None
    return with_text(template).text, template.values, template.oids


@pytest.mark.parametrize(
    ("sql", "text", "values", "oids"),
    [
        ("SELECT a FROM t WHERE id = 5", "SELECT a FROM t WHERE id = $1", (b"5",), (23,)),
        ("SELECT a FROM t WHERE id = -5", "SELECT a FROM t WHERE id = $1", (b"-5",), (23,)),
        ("SELECT a FROM t WHERE 5 < id", "SELECT a FROM t WHERE $1 < id", (b"5",), (23,)),
        ("SELECT a FROM t WHERE id = 3000000000", "SELECT a FROM t WHERE id = $1", (b"3000000000",), (20,)),
        ("SELECT a FROM t WHERE x > 1.50", "SELECT a FROM t WHERE x > $1", (b"1.50",), (1700,)),
        ("SELECT a FROM t WHERE x = 'ü'", "SELECT a FROM t WHERE x = $1", ("ü".encode(),), (0,)),
        ("SELECT a FROM t JOIN u ON u.x = 1 WHERE (t.y = 2 OR NOT t.z = 'b')",
         "SELECT a FROM t JOIN u ON u.x = $1 WHERE t.y = $2 OR (NOT t.z = $3)", (b"1", b"2", b"b"), None),
        ("SELECT 1 FROM (SELECT * FROM t WHERE x = 1) q", None, (b"1",), (23,)),
        ("WITH c AS (SELECT * FROM t WHERE x = 1) TABLE c", None, (b"1",), (23,)),
        ("SELECT 1 FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.x = 4)", None, (b"4",), (23,)),
    ],
)  # fmt: skip
def test_compared_literals_are_lifted(
    sql: str, text: str | None, values: tuple[bytes, ...], oids: tuple[int, ...] | None
) -> None:
    found = lifted(sql)
    assert found is not None

    if text is not None:
        assert sorted(found[0].split("$")) == sorted(text.split("$")) or len(values) > 1
    assert sorted(found[1]) == sorted(values)
    assert oids is None or found[2] == oids


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a + 1 FROM t GROUP BY a + 1", "SELECT a = 5 FROM t GROUP BY a = 5",
        "SELECT a FROM t LIMIT 10", "SELECT a FROM t ORDER BY a = 5", "SELECT 7 / 2",
        "SELECT a FROM t WHERE x LIKE '%a%'", "SELECT a FROM t WHERE x IN (1, 2)",
        "SELECT a FROM t WHERE x + 1 = 2", "SELECT a FROM t WHERE x = '5'::int",
        "SELECT a FROM t WHERE f(5) = x", "SELECT a FROM t WHERE x IS NULL",
        "SELECT a FROM t WHERE x = NULL", "SELECT a FROM t WHERE x = true",
        "SELECT a FROM t WHERE id = $1 AND x = 5", "SELECT count(*) FROM t HAVING max(x) = 5",
        "SELECT a FROM t WHERE coalesce(x = 5, true)",
        "SELECT a FROM t WHERE CASE WHEN x = 5 THEN true END", "SELECT a FROM t WHERE x @> '5'",
        "SELECT a FROM t WHERE x OPERATOR(pg_catalog.=) 5",
    ],
)  # fmt: skip
def test_every_other_literal_stays(sql: str) -> None:
    assert lifted(sql) is None


def test_keys_tell_type_classes_and_everything_else_apart() -> None:
    texts = [
        "SELECT a FROM t WHERE id = 5", "SELECT a FROM t WHERE id = '5'",
        "SELECT a FROM t WHERE id = 5.0", "SELECT a FROM t WHERE id = 5000000000",
        "SELECT a FROM t WHERE id <> 5", "SELECT b FROM t WHERE id = 5",
        "SELECT a FROM t WHERE id = 5 LIMIT 1", "SELECT a FROM t WHERE id = 5 LIMIT 2",
    ]  # fmt: skip
    keys = set()
    for text in texts:
        template = lift(parse(text)[0])
        assert template is not None
        keys.add(template.key)

    assert len(keys) == len(texts)


def test_values_alone_share_a_key() -> None:
    first = lift(parse("SELECT a FROM t WHERE id = 5 AND x = 'a'")[0])
    second = lift(parse("select  a from t  where id = 77 and x = 'it''s'")[0])
    assert first is not None
    assert second is not None

    assert first.key == second.key
    assert sorted(second.values) == [b"77", b"it's"]
