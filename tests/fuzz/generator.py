"""Random statements over the fixture's schema.

A typed grammar walk: every expression is drawn for a wanted type from the columns in scope,
literals, and operators and functions, safe and unsafe ones alike. Where a statement limits its rows
it orders by all of its outputs, so that the answer is one; sums of floats and unordered collections
are left out for the same reason. Errors at run time are welcome: they are what leaks.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

TABLES: dict[str, dict[str, str]] = {
    "orders": {
        "id": "int", "tenant": "text", "customer_id": "int", "amount": "num", "qty": "int",
        "note": "text", "secret": "text", "placed": "ts", "day": "date", "tags": "arr",
        "doc": "json", "flag": "bool", "mood": "mood", "ratio": "float", "uid": "uuid",
    },
    "items": {
        "id": "int", "order_id": "int", "sku": "text", "price": "num", "code": "text", "qty": "int",
    },
    "people": {
        "id": "int", "manager_id": "int", "name": "text", "salary": "int", "region": "text",
        "born": "date",
    },
}  # fmt: skip
SORTABLE = ("int", "num", "text", "bool", "ts", "date", "float", "uuid")


@dataclass
class Source:
    """One FROM item: its alias and the types of its columns."""

    alias: str
    columns: dict[str, str]


@dataclass(frozen=True)
class Generated:
    sql: str
    is_ordered: bool


class Generator:
    """Draws statements from one seeded source."""

    def __init__(self, source: random.Random) -> None:
        self.random = source
        self.number = 0

    def statement(self) -> Generated:
        """One SELECT statement."""
        self.number = 0
        roll = self.random.random()
        if roll < 0.1:
            return Generated(self._set_operation([]), is_ordered=False)
        if roll < 0.2:
            return Generated(self._with(), is_ordered=False)
        if roll < 0.24:
            return Generated(self._recursive(), is_ordered=False)
        sql, _ = self.select([], self.random.randint(1, 3), is_outermost=True)
        if self.random.random() < 0.3:
            return self._limited()
        return Generated(sql, is_ordered=False)

    def _limited(self) -> Generated:
        sql, columns = self.select([], 2, is_plain=True)
        keys = ", ".join(f'{n}::text COLLATE "C"' for n in columns)
        limit = self.random.randint(0, 6)
        tail = f"LIMIT {limit}" if self.random.random() < 0.7 else f"FETCH FIRST {limit} ROWS ONLY"
        if self.random.random() < 0.3:
            tail += f" OFFSET {self.random.randint(0, 3)}"
        return Generated(f"SELECT * FROM ({sql}) lim ORDER BY {keys} {tail}", is_ordered=True)

    def alias(self) -> str:
        self.number += 1
        return f"x{self.number}"

    def pick(self, options):  # type: ignore[no-untyped-def]
        return self.random.choice(options)

    # Queries

    def select(
        self,
        outer: list[Source],
        depth: int,
        *,
        width: int | None = None,
        types: list[str] | None = None,
        is_outermost: bool = False,
        is_plain: bool = False,
    ) -> tuple[str, dict[str, str]]:
        """One SELECT; returns its text and its output columns with their types."""
        from_text, sources = self.from_clause(outer, depth)
        scope = sources + outer
        where = f" WHERE {self.condition(scope, depth)}" if self.random.random() < 0.7 else ""
        if not is_plain and types is None and self.random.random() < 0.25:
            return self._grouped(from_text, where, sources, scope, depth)
        if is_outermost and self.random.random() < 0.1:
            star = "*" if self.random.random() < 0.5 else f"{self.pick(sources).alias}.*"
            return f"SELECT {star} FROM {from_text}{where}", {}
        wanted = types or [self._type() for _ in range(width or self.random.randint(1, 3))]
        columns: dict[str, str] = {}
        parts = []
        for type_ in wanted:
            name = f"o{len(columns) + 1}"
            if is_outermost and self.random.random() < 0.12:
                parts.append(f"{self._window(sources, depth)} AS {name}")
                columns[name] = "int"
                continue
            parts.append(f"{self.expression(type_, scope, depth)} AS {name}")
            columns[name] = type_
        distinct = ""
        if self.random.random() < 0.1 and all(t in SORTABLE for t in columns.values()):
            distinct = "DISTINCT "
        order = ""
        if self.random.random() < 0.15 and not distinct:
            order = f" ORDER BY {self.expression(self.pick(SORTABLE), scope, 1)}"
            order += self.pick(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
        elif distinct and self.random.random() < 0.3:
            order = " ORDER BY 1"
        return f"SELECT {distinct}{', '.join(parts)} FROM {from_text}{where}{order}", columns

    def _type(self) -> str:
        return self.pick(
            ["int", "int", "text", "text", "num", "bool", "ts", "date", "float", "json", "arr"]
        )

    def _grouped(
        self, from_text: str, where: str, sources: list[Source], scope: list[Source], depth: int
    ) -> tuple[str, dict[str, str]]:
        keys = [
            self.pick(["int", "text", "date", "bool"]) for _ in range(self.random.randint(1, 2))
        ]
        columns: dict[str, str] = {}
        parts, names = [], []
        for type_ in keys:
            name = f"o{len(columns) + 1}"
            parts.append(f"{self.expression(type_, sources, 1)} AS {name}")
            columns[name] = type_
            names.append(str(len(columns)))
        for _ in range(self.random.randint(1, 2)):
            name = f"o{len(columns) + 1}"
            text, type_ = self._aggregate(sources, depth)
            parts.append(f"{text} AS {name}")
            columns[name] = type_
        group = ", ".join(names)
        roll = self.random.random()
        if roll < 0.1:
            expressions = ", ".join(part.rsplit(" AS ", 1)[0] for part in parts[: len(keys)])
            shape = self.pick(["ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())"])
            group = shape.format(expressions)
        having = ""
        if self.random.random() < 0.3:
            tested = self._aggregate(sources, 1, wanted="int")[0]
            having = f" HAVING {tested} > {self.random.randint(0, 3)}"
        head = f"SELECT {', '.join(parts)} FROM {from_text}{where}"
        return f"{head} GROUP BY {group}{having}", columns

    def _aggregate(
        self, sources: list[Source], depth: int, wanted: str | None = None
    ) -> tuple[str, str]:
        def inner(type_: str) -> str:
            return self.expression(type_, sources, max(depth - 1, 0))

        options = [
            ("count(*)", "int"),
            (f"count(DISTINCT {inner('text')})", "int"),
            (f"sum({inner('int')})", "int"),
            (f"max({inner('int')})", "int"),
        ]
        if wanted is None:
            text = inner("text")
            options += [
                (f"min({text})", "text"),
                (f"string_agg({text}, ',' ORDER BY {text})", "text"),
                (f"array_agg({text} ORDER BY {text})", "arr"),
                (f"max({inner('ts')})", "ts"),
                (f"bool_or({inner('bool')})", "bool"),
                (f"avg({inner('num')})", "num"),
                (f"percentile_disc(0.5) WITHIN GROUP (ORDER BY {inner('int')})", "int"),
            ]
        text, type_ = self.pick(options)
        if self.random.random() < 0.2 and "WITHIN" not in text:
            text += f" FILTER (WHERE {self.expression('bool', sources, 1)})"
        return text, type_

    def _window(self, sources: list[Source], depth: int) -> str:
        function = self.pick(["rank()", "dense_rank()", "count(*)", "ntile(1)"])
        partition = ""
        if self.random.random() < 0.5:
            partition = f"PARTITION BY {self.expression('text', sources, 1)} "
        order = f"ORDER BY {self.expression('int', sources, 1)}"
        frame = self.pick(["", " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"])
        return f"{function} OVER ({partition}{order}{frame})"

    def _set_operation(self, outer: list[Source]) -> str:
        types = [
            self.pick(["int", "text", "num", "date"]) for _ in range(self.random.randint(1, 2))
        ]
        left, _ = self.select(outer, 2, types=types)
        right, _ = self.select(outer, 2, types=types)
        operator = self.pick(["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL"])
        return f"({left}) {operator} ({right})"

    def _with(self) -> str:
        name = self.pick(["w1", "orders", "people"])  # shadowing a table is legal and must work
        body, columns = self.select([], 2)
        alias = self.alias()
        source = Source(alias, columns)
        materialized = self.pick(["", "MATERIALIZED ", "NOT MATERIALIZED "])
        others, sources = self.from_clause([], 1) if self.random.random() < 0.5 else ("", [])
        if name in ("orders", "people"):
            others, sources = "", []
        scope = [source, *sources]
        from_text = f"{name} {alias}" + (f", {others}" if others else "")
        targets = ", ".join(self.expression(self._type(), scope, 1) for _ in range(2))
        where = f" WHERE {self.condition(scope, 1)}"
        return f"WITH {name} AS {materialized}({body}) SELECT {targets} FROM {from_text}{where}"

    def _recursive(self) -> str:
        kind = self.pick(["UNION", "UNION ALL"])
        start = self.condition([Source("p", TABLES["people"])], 1)
        step = self.pick(["q.manager_id = r.id", "q.manager_id = r.id AND q.name::text > r.name",
                          "1/(q.id - r.id) = 0 AND q.manager_id = r.id"])  # fmt: skip
        return (
            "WITH RECURSIVE r AS (SELECT p.id, p.name::text AS name, 1 AS depth FROM people p"
            f" WHERE {start} {kind} SELECT q.id, q.name::text, r.depth + 1 FROM r"
            f" JOIN people q ON {step} WHERE r.depth < 5)"
            " SELECT r.id, r.name, r.depth FROM r"
        )

    # FROM

    def from_clause(self, outer: list[Source], depth: int) -> tuple[str, list[Source]]:
        count = self.pick([1, 1, 1, 2, 2, 3])
        text, sources = self._item(outer, depth)
        for _ in range(count - 1):
            is_lateral = self.random.random() < 0.2
            around = sources + outer if is_lateral else outer
            right, more = self._item(around, depth, is_lateral=is_lateral)
            join = self.pick(
                [",", "JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]
            )
            if is_lateral and join in ("RIGHT JOIN", "FULL JOIN"):
                join = "LEFT JOIN"
            if join == ",":
                text = f"{text}, {right}"  # later joins bind tighter: keep the comma last
                sources = sources + more
                break
            on = ""
            if join == "FULL JOIN":
                on = f" ON {self._equality(sources, more)}"
            elif join != "CROSS JOIN":
                on = f" ON {self._join_condition(sources, more, outer)}"
            text = f"{text} {join} {right}{on}"
            sources = sources + more
        return text, sources

    def _equality(self, left: list[Source], right: list[Source]) -> str:
        return f"{self.column('int', left)} = {self.column('int', right)}"

    def _join_condition(self, left: list[Source], right: list[Source], outer: list[Source]) -> str:
        equal = self._equality(left, right)
        if self.random.random() < 0.3:
            return f"{equal} AND {self.condition(left + right, 1)}"
        return equal

    def _item(
        self, outer: list[Source], depth: int, *, is_lateral: bool = False
    ) -> tuple[str, list[Source]]:
        alias = self.alias()
        roll = self.random.random()
        if is_lateral or (depth > 0 and roll < 0.2):
            body, columns = self.select(outer if is_lateral else [], depth - 1)
            if not columns:
                return self._item([], 0)
            lateral = "LATERAL " if is_lateral else ""
            return f"{lateral}({body}) {alias}", [Source(alias, columns)]
        if roll < 0.25:
            return self._values_or_function(alias)
        table = self.pick(list(TABLES))
        spelled = self.pick([table, f"shop.{table}", f'"{table}"', table.upper()])
        return f"{spelled} {alias}", [Source(alias, TABLES[table])]

    def _values_or_function(self, alias: str) -> tuple[str, list[Source]]:
        roll = self.random.random()
        if roll < 0.4:
            rows = ", ".join(f"({n}, 'k{n}')" for n in range(1, 4))
            return f"(VALUES {rows}) {alias}(a, b)", [Source(alias, {"a": "int", "b": "text"})]
        if roll < 0.7:
            return f"generate_series(1, 4) {alias}", [Source(alias, {alias: "int"})]
        return (
            f"unnest(ARRAY[1, 2, 3]) WITH ORDINALITY {alias}(v, n)",
            [Source(alias, {"v": "int", "n": "int"})],
        )

    # Conditions and expressions

    def condition(self, scope: list[Source], depth: int) -> str:
        parts = [self.expression("bool", scope, depth) for _ in range(self.pick([1, 1, 2, 3]))]
        return self.pick([" AND ", " AND ", " OR "]).join(f"({part})" for part in parts)

    def column(self, type_: str, scope: list[Source]) -> str:
        found = [
            f"{source.alias}.{name}"
            for source in scope
            for name, own in source.columns.items()
            if own == type_
        ]
        return self.pick(found) if found and self.random.random() < 0.93 else self.literal(type_)

    def literal(self, type_: str) -> str:
        number = self.random.randint(0, 40)
        return {
            "int": str(number),
            "num": f"{number}.5",
            "float": f"{number}.25::float8",
            "text": f"'{number}'",
            "bool": self.pick(["true", "false", "NULL::boolean"]),
            "ts": f"timestamptz '2024-0{1 + number % 9}-15 10:00:00+00'",
            "date": f"DATE '2024-0{1 + number % 9}-05'",
            "json": f"'{{\"a\": {number}}}'::jsonb",
            "arr": f"ARRAY['{number}', '1']",
            "mood": "'ok'::shop.mood",
            "uuid": f"'00000000-0000-0000-0000-{number:012d}'::uuid",
        }[type_]

    def expression(self, type_: str, scope: list[Source], depth: int) -> str:
        """An expression of the type; deeper ones nest operators, functions and subqueries."""
        if depth <= 0 or self.random.random() < 0.35:
            if type_ == "bool":
                return self._comparison(scope, 0)
            return self.column(type_, scope)
        maker = getattr(self, f"_{type_}", None)
        return maker(scope, depth - 1) if maker else self.column(type_, scope)

    def _comparison(self, scope: list[Source], depth: int) -> str:
        type_ = self.pick(["int", "int", "text", "num", "ts", "date", "mood", "float", "uuid"])
        operator = self.pick(["=", "<>", "<", "<=", ">", ">="])
        left = self.expression(type_, scope, depth)
        right = self.literal(type_)
        if self.random.random() < 0.4:
            right = self.expression(type_, scope, depth)
        return f"{left} {operator} {right}"

    def _bool(self, scope: list[Source], depth: int) -> str:
        def sub(type_: str) -> str:
            return self.expression(type_, scope, depth)

        options = [
            lambda: self._comparison(scope, depth),
            lambda: self._comparison(scope, depth),
            lambda: f"{sub('text')} IS NOT NULL",
            lambda: f"({sub('bool')}) IS TRUE",
            lambda: f"NOT ({sub('bool')})",
            lambda: f"{sub('int')} IN ({self.literal('int')}, {self.literal('int')}, {sub('int')})",
            lambda: f"{sub('int')} BETWEEN {self.literal('int')} AND {sub('int')}",
            lambda: f"{sub('text')} LIKE '{self.pick(['1%', '%2', 'k_', '%'])}'",
            lambda: f"{sub('text')} ILIKE '%{self.random.randint(0, 9)}%'",
            lambda: f"{sub('text')} ~ '^[0-9]+$'",
            lambda: f"{sub('text')} SIMILAR TO '[a-k]%'",
            lambda: f"{sub('int')} = ANY (ARRAY[1, 2, {self.literal('int')}])",
            lambda: f"{sub('text')} = ANY ({sub('arr')})",
            lambda: f"{sub('int')} IS DISTINCT FROM {sub('int')}",
            lambda: f"{sub('json')} ? 'a'",
            lambda: f"{sub('json')} @> '{{\"a\": 1}}'",
            lambda: f"({sub('text')})::int = {self.literal('int')}",
            lambda: f"10 / ({sub('int')}) > 1",
            lambda: f"({sub('int')}, {sub('text')}) < ({self.literal('int')}, 'k')",
            lambda: f"{sub('arr')} && ARRAY['1']",
            lambda: self._exists(scope, depth),
            lambda: self._in_subquery(scope, depth),
        ]
        return self.pick(options)()

    def _exists(self, scope: list[Source], depth: int) -> str:
        body, _ = self.select(scope, min(depth, 1), is_plain=True)
        return f"{self.pick(['EXISTS', 'NOT EXISTS'])} ({body})"

    def _in_subquery(self, scope: list[Source], depth: int) -> str:
        around = scope if self.random.random() < 0.3 else []
        body, _ = self.select(around, min(depth, 1), types=["int"])
        operator = self.pick(["IN", "NOT IN", "= ANY", "> ALL"])
        return f"{self.expression('int', scope, 0)} {operator} ({body})"

    def _int(self, scope: list[Source], depth: int) -> str:
        def sub(type_: str) -> str:
            return self.expression(type_, scope, depth)

        options = [
            lambda: f"({sub('int')} {self.pick(['+', '-', '*'])} {sub('int')})",
            lambda: f"({sub('int')} / {sub('int')})",
            lambda: f"({sub('int')} % {sub('int')})",
            lambda: f"({sub('text')})::int",
            lambda: f"length({sub('text')})",
            lambda: f"coalesce({sub('int')}, 0)",
            lambda: f"CASE WHEN {sub('bool')} THEN {sub('int')} ELSE {sub('int')} END",
            lambda: f"CASE {sub('int')} WHEN 1 THEN {sub('int')} END",
            lambda: f"nullif({sub('int')}, {sub('int')})",
            lambda: f"greatest({sub('int')}, {sub('int')})",
            lambda: f"extract(month FROM {sub('date')})::int",
            lambda: f"({sub('json')} ->> 'a')::int",
            lambda: f"array_length({sub('arr')}, 1)",
            lambda: f"(- {sub('int')})",
            lambda: f"(SELECT count(*) FROM {self._counted(scope)})",
            lambda: f"position('1' IN {sub('text')})",
        ]
        return self.pick(options)()

    def _counted(self, scope: list[Source]) -> str:
        alias = self.alias()
        table = self.pick(list(TABLES))
        inner = [Source(alias, TABLES[table])]
        return f"{table} {alias} WHERE {self.condition(inner + scope, 1)}"

    def _text(self, scope: list[Source], depth: int) -> str:
        def sub(type_: str) -> str:
            return self.expression(type_, scope, depth)

        options = [
            lambda: f"lower({sub('text')})",
            lambda: f"upper({sub('text')})",
            lambda: f"({sub('text')} || {sub('text')})",
            lambda: f"substring({sub('text')} FROM 1 FOR {self.pick(['1', '2', '-1'])})",
            lambda: f"trim(BOTH 'k' FROM {sub('text')})",
            lambda: f"({sub('int')})::text",
            lambda: f"({sub('json')} ->> 'b')",
            lambda: f"coalesce({sub('text')}, 'none')",
            lambda: f"CASE WHEN {sub('bool')} THEN {sub('text')} END",
            lambda: f"replace({sub('text')}, '1', 'one')",
            lambda: f"to_char({sub('date')}, 'YYYY-MM')",
            lambda: f"({sub('arr')})[1]",
            lambda: f"md5({sub('text')})",
            lambda: f"concat({sub('text')}, '-', {sub('int')})",
            lambda: f"overlay({sub('text')} PLACING 'Z' FROM 1)",
            lambda: f"split_part({sub('text')}, '-', 1)",
            lambda: f'({sub("text")} COLLATE "C")',
            lambda: f"({sub('mood')})::text",
            lambda: f"repeat({sub('text')}, 2)",
        ]
        return self.pick(options)()

    def _num(self, scope: list[Source], depth: int) -> str:
        def sub(type_: str) -> str:
            return self.expression(type_, scope, depth)

        options = [
            lambda: f"({sub('num')} / {sub('num')})",
            lambda: f"({sub('num')} {self.pick(['+', '-', '*'])} {sub('num')})",
            lambda: f"round({sub('num')}, 1)",
            lambda: f"({sub('int')})::numeric",
            lambda: f"abs({sub('num')})",
            lambda: f"({sub('text')})::numeric",
        ]
        return self.pick(options)()

    def _float(self, scope: list[Source], depth: int) -> str:
        def sub(type_: str) -> str:
            return self.expression(type_, scope, depth)

        options = [
            lambda: f"sqrt({sub('float')})",
            lambda: f"(1.0 / {sub('float')})",
            lambda: f"ln({sub('float')})",
            lambda: f"({sub('int')})::float8",
        ]
        return self.pick(options)()

    def _ts(self, scope: list[Source], depth: int) -> str:
        def sub(type_: str) -> str:
            return self.expression(type_, scope, depth)

        options = [
            lambda: f"({sub('ts')} + interval '{self.random.randint(1, 9)} days')",
            lambda: f"date_trunc('{self.pick(['month', 'day', 'hour'])}', {sub('ts')})",
            lambda: f"coalesce({sub('ts')}, {self.literal('ts')})",
        ]
        return self.pick(options)()

    def _date(self, scope: list[Source], depth: int) -> str:
        def sub(type_: str) -> str:
            return self.expression(type_, scope, depth)

        options = [
            lambda: f"({sub('ts')})::date",
            lambda: f"({sub('date')} + {self.random.randint(1, 9)})",
            lambda: f"least({sub('date')}, {sub('date')})",
        ]
        return self.pick(options)()

    def _json(self, scope: list[Source], depth: int) -> str:
        def sub(type_: str) -> str:
            return self.expression(type_, scope, depth)

        options = [
            lambda: f"jsonb_build_object('k', {sub('int')})",
            lambda: f"to_jsonb({sub('text')})",
            lambda: f"({sub('json')} -> 'a')",
            lambda: f"({sub('json')} || {sub('json')})",
            lambda: f"({sub('text')})::jsonb",
            lambda: f"to_jsonb({self.pick(scope).alias})" if scope else "'1'::jsonb",
        ]
        return self.pick(options)()

    def _arr(self, scope: list[Source], depth: int) -> str:
        def sub(type_: str) -> str:
            return self.expression(type_, scope, depth)

        options = [
            lambda: f"array_append({sub('arr')}, {sub('text')})",
            lambda: f"string_to_array({sub('text')}, '-')",
            lambda: f"ARRAY[{sub('text')}, {sub('text')}]",
            lambda: f"({sub('arr')})[1:2]",
        ]
        return self.pick(options)()
