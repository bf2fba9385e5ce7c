"""Random statements over the fixture's schema.

A typed grammar walk: every expression is drawn for a wanted type from the columns in scope,
literals, and operators and functions, safe and unsafe ones alike. Where a statement limits its rows
it orders by all of its outputs, so that the answer is one; sums of floats and unordered collections
are left out for the same reason. Errors at run time are welcome: they are what leaks.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.fuzz.expressions import SORTABLE, TABLES, Expressions, Source


@dataclass(frozen=True)
class Generated:
    sql: str
    is_ordered: bool


class Generator(Expressions):
    """Draws statements from one seeded source."""

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
