"""Random expressions of a wanted type over the columns in scope, safe and unsafe alike."""

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


class Expressions:
    """Draws expressions from one seeded source; `select` is the generator's, for subqueries."""

    def __init__(self, source: random.Random) -> None:
        self.random = source
        self.number = 0

    def alias(self) -> str:
        self.number += 1
        return f"x{self.number}"

    def pick(self, options):  # type: ignore[no-untyped-def]
        return self.random.choice(options)

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
        """One SELECT; the generator of statements has it."""
        raise AssertionError("overridden by the generator")

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
