"""Labels of unaliased outputs, compared with a real PostgreSQL."""

from __future__ import annotations

from proxy.sql import label, tree
from tests.servers.postgres import Server

EXPRESSIONS = """
1 | 'x' | NULL | -1 | a.b | a.b::text | (a.b) | 1::int | '1'::integer | 1::int::text | b | "Odd Name"
count(*) | lower('x') | pg_catalog.upper('x') | coalesce(1, 2) | nullif(1, 2) | greatest(1, 2)
least(1, 2) | CASE WHEN true THEN 1 END | CASE WHEN true THEN '1' ELSE b END | ARRAY[1] | ROW(1, 2)
(SELECT 5) | (SELECT 5 AS five) | (SELECT b) | EXISTS (SELECT 1) | ARRAY(SELECT 1) | 1 + 1 | NOT true
current_user | current_date | session_user | localtimestamp | current_catalog | user | current_role
extract(year FROM now()) | substring('abc' FROM 1) | trim('x') | position('a' IN 'b') | b COLLATE "C"
(ARRAY[1, 2])[1] | b IS NULL | b = 'x' | now() AT TIME ZONE 'UTC' | interval '1 day' | date '2020-01-01'
overlay('abc' PLACING 'x' FROM 1) | (SELECT max(1)) | rank() OVER () | b || 'x' | (VALUES (1))
xmlelement(name a) | xmlforest(b) | xmlconcat(NULL) | xmlpi(name a) | xmlparse(content b)
xmlroot('<a/>', version '1') | xmlserialize(content '<a/>' AS text) | '<a/>' IS DOCUMENT
cast('1' AS numeric(10,2)) | json_object('a': 1) | json_array(1) | xmin | (a).b | ('{"a":1}'::jsonb)['a']
""".replace("\n", "|").strip("|").split("|")  # fmt: skip


def test_labels_are_postgresql_s_own(postgres_server: Server) -> None:
    with postgres_server.connect() as connection:
        connection.execute('CREATE TEMP TABLE a (b text, "Odd Name" int)')
        for expression in filter(None, (text.strip() for text in EXPRESSIONS)):
            group = ' GROUP BY b, "Odd Name", a.xmin, a.*' if "(*)" not in expression else ""
            sql = f"SELECT {expression} FROM a{group}"
            cursor = connection.execute(sql)
            assert cursor.description is not None
            target = tree.parse_tree(sql).stmts[0].stmt.select_stmt.target_list[0].res_target
            assert label.label(target) == cursor.description[0].name, expression
