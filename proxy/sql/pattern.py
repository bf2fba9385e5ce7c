"""LIKE patterns: none that can raise ever reaches the planner as a constant.

While it estimates `column LIKE 'pattern'`, PostgreSQL *executes* LIKE on the column's most common
values and histogram bounds (`patternsel`), hidden rows' values among them, whatever fence stands
between. A pattern that ends within an escape raises as soon as one of those values matches up to
its end: character by character it reads what nobody may see. PostgreSQL protects its own row-level
security from this; a gate has to do it itself. So:

- a literal that is not well formed is refused at once (22025), whatever the data;
- a parameter that stands as a pattern is checked when it is bound;
- any other pattern is wrapped as `(SELECT pattern)`: the value of a scalar subquery is not known
  when the plan is made, so nothing is tried on statistics. A column is no exception: the subquery
  it comes from may be pulled up, and a constant with it;
- the rows of `LIKE ANY (SELECT …)` become one array, `LIKE ANY (ARRAY(SELECT …))`: as a join, the
  planner would pull a constant out of them.

Functions that are LIKE under another name (`textlike`, `"like"`) have the same estimator by way of
a support function and are refused. Source: `src/backend/utils/adt/like_support.c`.
"""

from __future__ import annotations

from collections.abc import Sequence

from postgast import pg_query_pb2 as pb

from proxy.faults import DeniedFault, Fault, UnsupportedFault
from proxy.sql import tree
from proxy.sql.classification import literals

PATTERN_OPERATORS = frozenset({"~~", "~~*", "!~~", "!~~*"})
_TEXT_OIDS = frozenset({25, 1043})
_TEXT_NAMES = frozenset({"text", "varchar"})  # `name` cuts at 63 bytes, `char` strips blanks
PATTERN_FUNCTIONS = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "not")
    for name in ("like", "textlike", "bpcharlike", "namelike", "bytealike", "ilike")
) | frozenset(
    {
        "textnlike", "bpcharnlike", "namenlike", "byteanlike", "texticlike", "texticnlike",
        "bpchariclike", "bpcharicnlike", "nameiclike", "nameicnlike",
    }
)  # fmt: skip


def settle_patterns(node: tree.Node, parameter_oids: Sequence[int] = ()) -> frozenset[int]:
    """Make every pattern below `node` safe to plan, in place; returns the parameters (1-based) that
    must be well-formed patterns when they are bound.

    Raises: Fault 22025 for an ill-formed literal; DeniedFault for a function that is LIKE.
    """
    parameters: set[int] = set()
    messages = list(tree.walk(node))
    if any(_is_over_rows(one) for one in messages if _is_sub_link(one)):
        _gather_rows(node)
        messages = list(tree.walk(node))
    for message in reversed(messages):  # inner ones before they are copied
        if message.DESCRIPTOR.name == "FuncCall":
            name = tree.names(message.funcname)[-1]
            if name in PATTERN_FUNCTIONS:
                raise DeniedFault(f"permission denied for function {name}", hint="Use LIKE.")
        elif message.DESCRIPTOR.name == "A_Expr" and _is_pattern_match(message):
            if message.kind in (pb.AEXPR_OP_ANY, pb.AEXPR_OP_ALL):
                _settle_array(message.rexpr)
            else:
                _settle_one(message.rexpr, parameters, parameter_oids)
    return frozenset(parameters)


def _gather_rows(node: tree.Node) -> None:
    """Turn `x LIKE ANY (SELECT p …)` into `x LIKE ANY (ARRAY(SELECT p …))`, in place."""
    stack = [node]
    while stack:
        message = stack.pop()
        if message.DESCRIPTOR.name == "Node" and _is_over_rows(message.sub_link):
            _gather(message)
        for field, value in message.ListFields():
            if field.message_type is not None:
                stack.extend(value if field.is_repeated else (value,))


def _gather(node: tree.Node) -> None:
    link = tree.copy(node.sub_link)
    if link.testexpr.HasField("row_expr"):
        raise UnsupportedFault("LIKE over rows of several columns is not supported")
    is_any = link.sub_link_type == pb.ANY_SUBLINK
    rows = pb.SubLink(sub_link_type=pb.ARRAY_SUBLINK, subselect=link.subselect)
    gathered = pb.A_Expr(
        kind=pb.AEXPR_OP_ANY if is_any else pb.AEXPR_OP_ALL,
        name=link.oper_name,
        lexpr=link.testexpr,
        rexpr=pb.Node(sub_link=rows),
    )
    node.Clear()
    node.a_expr.CopyFrom(gathered)


def _is_sub_link(message: tree.Node) -> bool:
    return bool(message.DESCRIPTOR.name == "SubLink")


def _is_over_rows(message: tree.Node) -> bool:
    names = tree.names(message.oper_name)
    return bool(names) and names[-1] in PATTERN_OPERATORS


def _is_pattern_match(message: tree.Node) -> bool:
    if message.kind in (pb.AEXPR_LIKE, pb.AEXPR_ILIKE):
        return True
    is_operator = message.kind in (pb.AEXPR_OP, pb.AEXPR_OP_ANY, pb.AEXPR_OP_ALL)
    return is_operator and message.name[-1].string.sval in PATTERN_OPERATORS


def _settle_one(pattern: tree.Node, parameters: set[int], parameter_oids: Sequence[int]) -> None:
    literal = _literal(pattern)
    number = pattern.param_ref.number
    is_text = 1 <= number <= len(parameter_oids) and parameter_oids[number - 1] in _TEXT_OIDS
    if pattern.HasField("param_ref") and is_text:
        parameters.add(number)
    elif literal is None or not _is_well_formed(literal):
        _wrap(pattern)


def _settle_array(array: tree.Node) -> None:
    texts = [_literal(element) for element in array.a_array_expr.elements]
    if texts and all(text is not None and _is_well_formed(text) for text in texts):
        return
    _wrap(array)
    # A bare subquery after ANY would mean its rows; a cast makes it one value, an array.
    cast = tree.cast(tree.copy(array), "pg_catalog.text[]")
    array.Clear()
    array.CopyFrom(cast)


def _literal(node: tree.Node) -> str | None:
    """The text of a string literal, bare or cast to a type that keeps every character of it."""
    if node.HasField("type_cast"):
        kind = node.type_cast.type_name
        if tree.names(kind.names)[-1] not in _TEXT_NAMES or kind.typmods or kind.array_bounds:
            return None
        node = node.type_cast.arg
    return str(node.a_const.sval.sval) if node.a_const.HasField("sval") else None


def _is_well_formed(text: str) -> bool:
    """Whether the pattern cannot raise as text, and means the same as bytea.

    One of very many wildcards may raise, and a backslash is read once more by bytea's input.
    Raises: Fault 22025 for one that ends within an escape.
    """
    if (len(text) - len(text.rstrip("\\"))) % 2:
        raise Fault("LIKE pattern must not end with escape character", sqlstate="22025")
    return "\\" not in text and literals.is_well_formed_like_pattern(text)


def _wrap(node: tree.Node) -> None:
    """Turn `x` into `(SELECT x)`, in place."""
    query = tree.select()
    query.target_list.append(tree.target(tree.copy(node)))
    sublink = pb.SubLink(sub_link_type=pb.EXPR_SUBLINK, subselect=tree.wrap(query))
    node.Clear()
    node.sub_link.CopyFrom(sublink)
