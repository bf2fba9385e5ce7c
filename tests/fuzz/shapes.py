"""Statements of rarer shape: what the typed walk of `generator` never draws.

Each shape is a template; its fields are drawn as expressions of a type over the columns in scope.
Together with the walk they visit every node type that `classify` lets pass (`test_coverage.py`).
"""

from __future__ import annotations

import re

from tests.fuzz.expressions import TABLES, Source
from tests.fuzz.generator import Generated, Generator

SHAPES_SHARE = 0.4

# {type} is an expression over orders AS a, {type:b} over items AS b; `?` before a name: a column.
SHAPES = (
    "SELECT a.id, current_date > {date}, now() > {ts}, localtime IS NULL FROM orders a WHERE {bool}",
    "SELECT {int} AS k, grouping({?int}) FROM orders a GROUP BY {?int}, 1",
    "SELECT grouping(a.qty), a.qty, count(*) FROM orders a WHERE {bool} GROUP BY GROUPING SETS ((a.qty), ())",
    "SELECT make_interval(days => a.qty), make_date(year => 2020, month => 1, day => 2) FROM orders a WHERE {bool}",
    "SELECT a.id FROM orders a WHERE make_date(2020, {int}, 1) > {date}",
    "WITH RECURSIVE w AS (SELECT a.id AS i, {int} AS n FROM orders a UNION ALL SELECT 0, 0) SELECT i FROM w WHERE n = 7",
    "WITH RECURSIVE w(i, n) AS (SELECT a.id, {text} FROM orders a WHERE {bool} UNION SELECT 0, 'x') SELECT count(*) FROM w WHERE n > 'b'",
    "WITH RECURSIVE t(i, d) AS (SELECT p.id, 0 FROM people p WHERE p.manager_id IS NULL UNION ALL SELECT q.id, d + 1 FROM t, people q WHERE q.manager_id = t.i AND d < 4) SEARCH DEPTH FIRST BY i SET o SELECT i, d FROM t",
    "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT q.id FROM t, people q WHERE q.manager_id = t.i) CYCLE i SET c USING p SELECT i, c FROM t",
    "SELECT a.qty FROM orders a WHERE {bool} ORDER BY a.qty FETCH FIRST 3 ROWS WITH TIES",
    "SELECT id, {int:b} FROM orders a JOIN items b USING (id) WHERE {bool}",
    "SELECT id FROM orders a FULL JOIN items b USING (id) WHERE {bool:b} OR id > 3",
    "SELECT count(*) FROM orders a NATURAL JOIN items b WHERE {bool}",
    "SELECT count(*) FROM orders a NATURAL LEFT JOIN (SELECT id, {int:b} AS qty FROM items b) c",
    "SELECT j.n FROM (orders a JOIN (SELECT b.order_id AS n FROM items b WHERE {bool:b}) c ON a.id = c.n) AS j WHERE j.note > '2'",
    "SELECT u.id FROM orders a LEFT JOIN items b USING (id) AS u WHERE {bool:b}",
    "SELECT shop.orders.note, orders.* FROM shop.orders WHERE shop.orders.qty / 2 > 1",
    "SELECT a.id, a.note, a.tags, count(*) FROM orders a JOIN items b ON b.order_id = a.id GROUP BY a.id HAVING {int} > 3",
    "SELECT a.id, {int} FROM orders a GROUP BY a.id ORDER BY {text}, 1",
    "SELECT a FROM orders a WHERE {bool}",
    "SELECT to_jsonb(a), row_to_json(a.*) FROM orders a WHERE {bool}",
    "SELECT a.id FROM orders a, orders c WHERE a = c AND {bool}",
    "SELECT (q).n FROM (SELECT a.id, {int} AS n FROM orders a) q WHERE (q).n > 3",
    "SELECT q.x FROM (SELECT {int} AS x, {text} AS y FROM orders a) AS q(x) WHERE q.y > 'a' AND q.x > 1",
    "SELECT count(*) OVER w, sum(a.qty) OVER (w ROWS 1 PRECEDING) FROM orders a WHERE {bool} WINDOW w AS (ORDER BY a.id)",
    "SELECT a.id FROM orders a WHERE 2 IN (SELECT count(*) OVER w FROM items b WHERE b.order_id = a.id WINDOW w AS (ORDER BY b.id ROWS BETWEEN {small} PRECEDING AND CURRENT ROW))",
    "SELECT a.id FROM orders a WHERE EXISTS (SELECT 1 FROM (VALUES ({num}), ({float})) v(x) WHERE v.x IS NOT NULL)",
    "SELECT a.id FROM orders a WHERE EXISTS (SELECT 1 FROM (VALUES ({?int}), ('5'::oid)) v(x) WHERE v.x IS NOT NULL)",
    "SELECT a.id, v.x FROM orders a, LATERAL (VALUES ({int}), ({int})) v(x) WHERE {bool}",
    "SELECT a.id FROM orders a WHERE ARRAY(SELECT {text:b} FROM items b WHERE b.order_id = a.id ORDER BY 1) = {arr}",
    "SELECT a.id FROM orders a WHERE ARRAY(SELECT x FROM (VALUES (a.tags), ('{{a,b}}')) v(x)) IS NOT NULL",
    "SELECT a.id FROM orders a WHERE EXISTS (SELECT 1 FROM items b WHERE b.order_id = a.id AND {bool:b} LIMIT {small})",
    "SELECT a.id FROM orders a WHERE (SELECT sum(v) FROM (VALUES ({num}), ({num})) x(v)) > 3",
    "SELECT a.id FROM orders a WHERE {text} LIKE '{pattern}'",
    "SELECT a.id FROM orders a WHERE {text} LIKE {text} OR {text} NOT ILIKE '{pattern}' ESCAPE '!'",
    "SELECT a.id FROM orders a WHERE {text} LIKE ANY (SELECT {text:b} FROM items b WHERE {bool:b})",
    "SELECT a.id FROM orders a WHERE {text} NOT ILIKE ALL (VALUES ({text}), ('{pattern}')) AND {bool}",
    "SELECT a.id FROM orders a WHERE {text} BETWEEN ({text} COLLATE \"C\") AND ({text} COLLATE \"C\")",
    "SELECT a.id FROM orders a WHERE {text} LIKE ANY (ARRAY['{pattern}', {text}])",
    "SELECT a.id FROM orders a WHERE a.note COLLATE \"C\" < {text} AND ({bool}) IS NOT UNKNOWN",
    "SELECT a.id FROM orders a WHERE (a.doc -> 'a') IS NOT NULL AND {json} ->> 'b' > '2'",
    "SELECT a.id FROM orders a WHERE a.note IS DISTINCT FROM {text} AND ({int}, {text}) >= ({int}, 'k')",
    "SELECT a.id, x.o FROM orders a, unnest(a.tags) WITH ORDINALITY AS x(t, o) WHERE x.t::int > 1",
    "SELECT a.id, f.* FROM orders a, ROWS FROM (generate_series(1, a.qty), unnest(a.tags)) AS f(g, t) WHERE {bool}",
    "SELECT a.id, r.a FROM orders a, jsonb_to_record(a.doc) AS r(a int, b text) WHERE r.b > '2'",
    "SELECT a.id, generate_series(1, a.qty) FROM orders a WHERE {bool}",
    "SELECT DISTINCT ON ({int}) {int} FROM orders a ORDER BY 1",
    "SELECT greatest({int}, {int}), B'101' & B'110', X'1F', 1.5e3 FROM orders a WHERE {bool}",
    "(SELECT {int} FROM orders a) EXCEPT ALL (SELECT {int:b} FROM items b) ORDER BY 1 LIMIT 3",
    "SELECT a.id FROM ONLY orders a WHERE {bool}",
    "TABLE people",
    "SELECT p.salary, count(*) FROM people p GROUP BY p.salary HAVING p.salary IS NULL",
    "SELECT a.id FROM orders a WHERE {text} BETWEEN SYMMETRIC {text} AND {text}",
    "SELECT a.tags[1:{small}], (a.tags)[a.qty] FROM orders a WHERE {bool}",
    "SELECT a.id FROM orders a WHERE a.mood = 'ok' AND a.mood::text < {text}",
    "SELECT string_agg({text}, ',' ORDER BY {int}, {text}) FROM orders a",
    "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY {int}) FILTER (WHERE {bool}) FROM orders a",
    # Raises where the path comes so far: the planner tries it on values that hidden rows share.
    "SELECT a.id FROM orders a WHERE a.doc @? '$ ? (@.a == \"x0\") ? (@ == $none)' AND {bool}",
    "SELECT count(*) FROM orders a WHERE a.doc @@ '(@.a == \"x1\") && ($none == 1)' OR {bool}",
    "SELECT a.doc FROM orders a GROUP BY a.doc HAVING a.doc @? '$ ? (@.a == \"x1\") ? (@ == $none)' OR count(*) > {small}",
    "SELECT b.id FROM items b LEFT JOIN orders a ON a.id = b.order_id AND a.doc @? '$ ? (@.a == \"x0\") ? (@ == $none)' WHERE {bool:b}",
    "SELECT EXISTS (SELECT 1 FROM items b WHERE {bool:b}), (SELECT max({int:b}) FROM items b) FROM orders a",
    "SELECT a.id, (jsonb_each_text(a.doc)).* FROM orders a WHERE {bool}",
    "SELECT q.key FROM (SELECT (jsonb_each_text(a.doc)).*, {int} AS n FROM orders a) q WHERE q.value::int > 3 OR q.n = 7",
    "SELECT (q.r).*, (q.r).sku FROM (SELECT b AS r FROM items b WHERE {bool:b}) q WHERE (q.r).line > 1",
    "SELECT x.* FROM orders a, unnest(a.tags) x WHERE {bool} AND x::int > 1",
    # Notes that hidden rows share begin with S-, which is no text of an element here.
    "SELECT a.id FROM orders a WHERE ('<a>' || replace(a.note, 'S-', '<') || '</a>')::xml IS DOCUMENT AND {bool}",
    "SELECT xmlelement(name k, xmlattributes(a.note, {int} AS n), {text}), xmlforest(a.qty, {text} AS t) FROM orders a WHERE {bool}",
    "SELECT a.id FROM orders a WHERE xmlparse(document '<a>' || replace(a.note, 'S-', '&') || '</a>')::text > {text}",
    "SELECT a.id, xmlserialize(content xmlforest(a.note, a.qty) AS text) AS t FROM orders a WHERE a.note::int > 3 ORDER BY 2",
    "SELECT (xpath('/a/text()', ('<a>' || replace(a.note, 'S-', '<') || '</a>')::xml))[1]::text FROM orders a WHERE {bool} GROUP BY 1",
    "SELECT xmlagg(xmlelement(name n, {text}) ORDER BY a.note::int, a.id) FROM orders a WHERE {bool}",
    "SELECT a.id, x.v FROM orders a, XMLTABLE('/a' PASSING (('<a b=\"' || replace(a.note, 'S-', '<') || '\"/>')::xml) COLUMNS o FOR ORDINALITY, v int PATH '@b' DEFAULT 1 NOT NULL) x WHERE {bool} AND x.v > 3",
    "SELECT count(*) FROM orders a WHERE xmlexists('/a' PASSING xmlparse(content '<a>' || replace({text}, 'S-', '<') || '</a>')) OR {bool}",
)  # fmt: skip
# SQL/JSON constructors, from PostgreSQL 16 on.
JSON_SHAPES = (
    "SELECT JSON_OBJECT('k': {int}, 'v': {text} ABSENT ON NULL) FROM orders a WHERE {bool}",
    "SELECT JSON_ARRAY({int}, {text} RETURNING jsonb) FROM orders a WHERE {bool}",
    "SELECT JSON_ARRAY(SELECT {text:b} FROM items b WHERE {bool:b} ORDER BY b.id) FROM orders a WHERE a.id < 9",
    "SELECT a.note FROM orders a GROUP BY a.note HAVING a.note::int + length(JSON_ARRAY(SELECT max(b.id) FROM items b)::text) > 7",
    "SELECT JSON_ARRAYAGG({text} ORDER BY {int}, {text}) FROM orders a",
    "SELECT a.qty, JSON_ARRAYAGG(a.id ORDER BY a.note::int, a.id) FROM orders a WHERE {bool} GROUP BY a.qty",
    "SELECT JSON_OBJECTAGG(a.id: {text}) FROM orders a WHERE a.id = 3",
    "SELECT a.id FROM orders a WHERE {text} IS JSON OBJECT",
)  # fmt: skip
# From PostgreSQL 17 on, where the gate's shadow is an 18.
JSON_SHAPES_17 = (
    "SELECT JSON_VALUE(a.doc, '$.a' RETURNING int NULL ON EMPTY ERROR ON ERROR) FROM orders a WHERE {bool}",
    "SELECT a.id FROM orders a WHERE JSON_VALUE(a.doc, '$.a' RETURNING int ERROR ON ERROR) = {int}",
    "SELECT a.id FROM orders a WHERE JSON_EXISTS(a.doc, 'strict $.b.c' ERROR ON ERROR) AND {bool}",
    "SELECT JSON_QUERY(a.doc, '$.a' WITH WRAPPER DEFAULT '[]' ON EMPTY) FROM orders a WHERE {bool}",
    "SELECT a.id FROM orders a WHERE JSON_QUERY(a.doc, '$.b' PASSING {int} AS x ERROR ON ERROR) IS NULL",
    "SELECT JSON_SCALAR({text}), JSON_SERIALIZE(a.doc), JSON({text}) FROM orders a WHERE a.id = 3",
    "SELECT a.id FROM orders a WHERE JSON({text}) IS NOT NULL",
    # What many hidden rows hold under a is no number.
    "SELECT a.id, j.* FROM orders a, JSON_TABLE(a.doc, '$' COLUMNS (o FOR ORDINALITY, v int PATH '$.a' ERROR ON ERROR)) j WHERE {bool} AND j.v > 3",
    "SELECT j.v FROM orders a, JSON_TABLE(a.doc, 'strict $.b' PASSING {int} AS x COLUMNS (v int PATH '$' DEFAULT 1 + 1 ON ERROR, e bool EXISTS PATH '$.c') ERROR ON ERROR) AS j WHERE {bool} ORDER BY a.note::int",
    "SELECT count(*) FROM orders a LEFT JOIN JSON_TABLE(a.doc, '$' COLUMNS (NESTED PATH '$.a' AS p COLUMNS (v int PATH '$' ERROR ON ERROR), t text FORMAT JSON PATH '$' WITH WRAPPER)) j ON j.v = {int} WHERE {bool}",
    "SELECT a.id FROM orders a WHERE EXISTS (SELECT 1 FROM JSON_TABLE(jsonb_build_object('k', a.note::int), '$' COLUMNS (k int PATH '$.k')) j WHERE j.k = {int})",
    "SELECT j.v, count(*) FROM JSON_TABLE((SELECT jsonb_agg(b.code::int) FROM items b WHERE {bool:b}), '$[*]' COLUMNS (v int PATH '$')) j GROUP BY j.v",
)  # fmt: skip

_FIELD = re.compile(r"\{(\??)([a-z]+)(?::(b))?\}")
_PATTERNS = ("1%", "S-%_", "%\\\\%", "S-%!", "k_", "%9")


class Shapes(Generator):
    """The generator of statements, with rare shapes among the usual ones."""

    has_json = True
    has_json_functions = False

    def statement(self) -> Generated:
        """One SELECT statement."""
        if self.random.random() >= SHAPES_SHARE:
            return super().statement()
        self.number = 0
        return Generated(self.shape(self.pick(self.shapes())), is_ordered=False)

    def shapes(self) -> tuple[str, ...]:
        """The templates that the server under test understands."""
        if self.has_json_functions:
            return SHAPES + JSON_SHAPES + JSON_SHAPES_17
        return SHAPES + JSON_SHAPES if self.has_json else SHAPES

    def shape(self, template: str) -> str:
        """One template with its fields drawn."""
        filled = _FIELD.sub(lambda match: self._field(*match.groups()), template)
        return filled.replace("{{", "{").replace("}}", "}")

    def _field(self, bare: str, type_: str, alias: str | None) -> str:
        if type_ == "small":
            return str(self.random.randint(-1, 3))
        if type_ == "pattern":
            return str(self.pick(_PATTERNS))
        table = "items" if alias else "orders"
        scope = [Source(alias or "a", TABLES[table])]
        if bare:
            return self.column(type_, scope)
        return self.expression(type_, scope, 2)
