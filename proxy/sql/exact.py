"""What several sources must agree on before their values may meet in one statement.

The merge engine is Postgres, so expressions mean there what they mean at a source. What it cannot
know is what a database brings of its own: how texts are ordered and which letters are capitals
(`TextRules`), and types of extensions. Where those differ and the statement could show it, it is
refused, never answered otherwise.

This file must not know how parts are fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from postgast import pg_query_pb2 as pb

from proxy.catalog.virtual import ClassCatalog, Column, TextRules, TypeDefinition
from proxy.faults import UnsupportedFault
from proxy.sql import tree
from proxy.sql.infer import TEXTS, UNKNOWN_OID
from proxy.sql.safety import Safety
from proxy.sql.scope import Bound
from proxy.sql.split import Wanted
from proxy.sql.xml import uses_xml

_CODE_POINT_COLLATIONS: Final = frozenset({"C", "POSIX"})
_ORDERED: Final = frozenset({"<", "<=", ">", ">="})
_LETTERS: Final = frozenset({"~~*", "!~~*", "~", "!~", "~*", "!~*"})
_COMPARING: Final = frozenset(
    {
        pb.AEXPR_BETWEEN, pb.AEXPR_NOT_BETWEEN, pb.AEXPR_BETWEEN_SYM, pb.AEXPR_NOT_BETWEEN_SYM,
        pb.AEXPR_ILIKE, pb.AEXPR_SIMILAR,
    }
)  # fmt: skip
# Functions whose result on texts depends on their order, or on what a letter is.
_SENSITIVE_FUNCTIONS: Final = frozenset(
    """lower upper initcap min max greatest least regexp_match regexp_matches regexp_replace
    regexp_split_to_array regexp_split_to_table regexp_count regexp_instr regexp_like regexp_substr
    substring to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery
    percentile_disc mode rank dense_rank percent_rank cume_dist array_sort""".split()
)


def common_rules(rules: Iterable[TextRules]) -> TextRules | None:
    """The rules of texts that all these databases have, None where they differ."""
    distinct = set(rules)
    return distinct.pop() if len(distinct) == 1 else None


def demand_exact(
    bound: Bound,
    safety: Safety,
    wanted: Iterable[Wanted],
    catalog: ClassCatalog,
    others: Iterable[str] = (),
) -> None:
    """Raise UnsupportedFault (0A000) where the merge engine might answer otherwise than the sources
    would. `others`: sources of values that come from elsewhere than the parts `wanted`."""
    _demand_no_xml(bound)
    sources = set(others)
    for part in wanted:
        source = part.relation.relation.source
        sources.add(source)
        for column in part.relation.columns:
            if any(column.name == one.name for one in part.columns):
                _demand_plain(column, catalog.types.get(source, {}))
    rules = [catalog.text_rules[source] for source in sources if source in catalog.text_rules]
    if common_rules(rules) is None and len(rules) > 1:
        _demand_insensitive(bound, safety)


def _demand_no_xml(bound: Bound) -> None:
    if uses_xml(bound.node):
        raise UnsupportedFault("XML is not supported in a statement over several sources")


def _demand_plain(column: Column, types: Mapping[int, TypeDefinition]) -> None:
    """A type that the merge engine can have itself, and no collation that it may lack."""
    is_code_point = column.collation is None or column.collation in _CODE_POINT_COLLATIONS
    if not (is_code_point and column.is_deterministic):
        raise UnsupportedFault(
            f'column "{column.name}" cannot be read together with other sources:'
            " it has a collation of its own"
        )
    pending = [column.element_oid or column.type_oid]
    while pending:
        definition = types.get(pending.pop())
        if definition is None:
            continue
        if definition.extension is not None or definition.kind not in "edc":
            raise UnsupportedFault(
                f'column "{column.name}" cannot be read together with other sources:'
                f" nothing else knows its type {definition.name}"
            )
        pending.append(definition.base_type_oid)
        pending += [attribute.type_oid for attribute in definition.attributes]


def _demand_insensitive(bound: Bound, safety: Safety) -> None:
    for message in tree.walk(bound.node):
        if any(safety.type_of(node) in _MAYBE_TEXT for node in _sensitive(message)):
            raise UnsupportedFault(
                "the sources of this statement order texts differently",
                hint="Ask each source alone, or order by something else than a text.",
            )


_MAYBE_TEXT: Final = TEXTS | {0, UNKNOWN_OID}


def _sensitive(message: tree.Node) -> list[tree.Node]:
    """The operands of this node whose order or letters decide its value."""
    name = message.DESCRIPTOR.name
    if name == "SortBy":
        # ORDER BY 1 names an output, whose type is not looked for here.
        return [pb.Node() if message.node.HasField("a_const") else message.node]
    if name == "MinMaxExpr":
        return list(message.args)
    if name == "FuncCall":
        called = tree.names(message.funcname)[-1]
        return list(message.args) if called in _SENSITIVE_FUNCTIONS else []
    if name == "A_Expr":
        operator = tree.names(message.name)[-1] if message.name else ""
        if message.kind in _COMPARING or operator in _ORDERED | _LETTERS:
            return [message.lexpr]
    return []
