"""A policy against the live schema: everything it names must exist, with types that fit.

This file must not know how a schema is read. It reports; it changes nothing. The types of columns
are `format_type` names, domains resolved to their base type. Columns that exist and are not listed
stay hidden and are told as warnings: they are new, or were forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping

from policies import expression as tree
from policies.column_type import bare_type, casts_totally, mismatches
from policies.decide import PolicySet
from policies.document import near_miss
from policies.errors import Place, Problem
from policies.mask import VALUE, CustomMask, Mask, MaskContext
from policies.model import RelationKey
from policies.rule import TablePolicy

Schema = Mapping[RelationKey, Mapping[str, str]]
UNLISTED_SHOWN_MAX = 10


def check(policies: PolicySet, schema: Schema) -> list[Problem]:
    """Every disagreement between the policy and `schema` (relation -> column -> type name).

    Fatal problems mean that a statement would fail or a rule cannot work; `is_warning` ones that
    something is hidden or without effect. A policy that matches no relation of the schema at all is
    fatal.
    """
    checker = _Checker(policies, schema)
    for table in policies.tables.values():
        checker.table(table)
    for key, columns in policies.lookups.items():
        checker.lookup(key, columns)
    checker.namesakes()
    matched = [key for key in policies.tables if key in schema]
    if not matched:
        checker.problems.append(
            Problem(
                "policies", 0, "the policy matches no table of any source: nobody sees anything"
            )
        )
    return checker.problems


class _Checker:
    def __init__(self, policies: PolicySet, schema: Schema) -> None:
        self._policies = policies
        self._schema = schema
        self.problems: list[Problem] = []

    def _add(
        self,
        place: Place,
        message: str,
        *,
        rule: str,
        field: str | None = None,
        suggestion: str | None = None,
        is_warning: bool = False,
    ) -> None:
        self.problems.append(
            Problem(place.file, place.line, message, rule, field, suggestion, is_warning)
        )

    def namesakes(self) -> None:
        """Tables of one schema and name in two sources, which one role would see: all sources stand
        behind one database, so such a role could see neither."""
        places: dict[tuple[str, str], list[RelationKey]] = {}
        for key in self._policies.tables:
            if key in self._schema:
                places.setdefault((key.schema, key.name), []).append(key)
        for keys in places.values():
            for role in ("", *self._policies.roles) if len(keys) > 1 else ():
                roles = frozenset({role} - {""})
                seen = [key for key in keys if self._policies.visible_columns(roles, key)]
                if len(seen) > 1:
                    who = f'the role "{role}"' if role else "everyone"
                    self._add(
                        self._policies.tables[seen[1]].place,
                        f"{who} would see {seen[0]} and {seen[1]} under one name",
                        rule=f"{seen[1].schema}.{seen[1].name}",
                    )
                    break

    def table(self, table: TablePolicy) -> None:
        """One table's columns, conditions and masks."""
        columns = self._schema.get(table.key)
        rule = f"{table.key.schema}.{table.key.name}"
        if columns is None:
            known = [str(key) for key in self._schema]
            self._add(
                table.place,
                f"{table.key} does not exist, or the source's account may not read it",
                rule=rule,
                suggestion=near_miss(str(table.key), known),
            )
            return
        for name, column in table.columns.items():
            if name not in columns:
                self._unknown(column.place, rule, f"columns.{name}", name, columns)
        for name in sorted(table.absent - set(columns)):
            self._add(
                table.place, f'absent column "{name}" does not exist', rule=rule, is_warning=True
            )
        self._unlisted(table, columns, rule)
        for one in table.rules:
            self._condition(one.where.node, one.place, f"{rule} / {one.name}", columns)
        for name, masks in table.masks().items():
            for mask in masks:
                if name in columns:
                    self._mask(table, name, mask, columns)

    def _unknown(
        self, place: Place, rule: str, field: str, name: str, columns: Mapping[str, str]
    ) -> None:
        self._add(
            place,
            f'column "{name}" does not exist',
            rule=rule,
            field=field,
            suggestion=near_miss(name, columns),
        )

    def _unlisted(self, table: TablePolicy, columns: Mapping[str, str], rule: str) -> None:
        unlisted = [n for n in columns if n not in table.columns and n not in table.absent]
        if unlisted:
            shown = ", ".join(unlisted[:UNLISTED_SHOWN_MAX])
            more = len(unlisted) - UNLISTED_SHOWN_MAX
            self._add(
                table.place,
                f"columns not listed, so hidden: {shown}{f' and {more} more' if more > 0 else ''}",
                rule=rule,
                is_warning=True,
            )

    def _condition(
        self, node: tree.Expression, place: Place, rule: str, columns: Mapping[str, str]
    ) -> None:
        for name in sorted(tree.columns_of(node) - set(columns)):
            self._unknown(place, rule, "where", name, columns)
        for text in mismatches(node, columns, self._policies.claim_types, self._schema):
            self._add(place, text, rule=rule, field="where")

    def _mask(self, table: TablePolicy, name: str, mask: Mask, columns: Mapping[str, str]) -> None:
        place = table.columns[name].place
        rule, field = f"{table.key.schema}.{table.key.name}", f"columns.{name}"
        type_name = columns[name]
        if mask.accepts is not None and bare_type(type_name) not in mask.accepts:
            accepted = ", ".join(sorted(mask.accepts))
            self._add(
                place,
                f'mask "{mask.name}" is for {accepted}; the column is {type_name}',
                rule=rule,
                field=field,
            )
        elif mask.type_name is not None and not casts_totally(type_name, mask.type_name):
            self._add(
                place,
                f'mask "{mask.name}" gives {mask.type_name}, to which not every {type_name} casts',
                rule=rule,
                field=field,
            )
        if isinstance(mask, CustomMask):
            body = tree.rename_column(mask.body, VALUE, name)
            for text in mismatches(body, columns, self._policies.claim_types, self._schema):
                self._add(place, text, rule=rule, field=f"{field} ({mask.name})")
        context = MaskContext(table.key, name)
        for other in sorted(mask.columns(context) - set(columns)):
            self._unknown(place, rule, f"{field} ({mask.name})", other, columns)

    def lookup(self, key: RelationKey, listed: tuple[str, ...]) -> None:
        """One lookup table and its listed columns."""
        place, rule = Place("policies", 0), f"lookups / {key.schema}.{key.name}"
        columns = self._schema.get(key)
        if columns is None:
            known = [str(other) for other in self._schema]
            self._add(
                place,
                f"{key} does not exist, or the source's account may not read it",
                rule=rule,
                suggestion=near_miss(str(key), known),
            )
            return
        for name in listed:
            if name not in columns:
                self._unknown(place, rule, name, name, columns)
