"""One decision for statements that differ only in compared values.

`WHERE id = 5` and `WHERE id = 6` are one *template* `WHERE id = $1` with one value each, so that a
client that writes its values into the text meets a decision made before. The fingerprint is our
own: a parser's generic normalisation lifts too much (`GROUP BY a+1` and `a+2` become one, pitfall
8), and a parameter means something else than a literal in many places (pitfall 9). So a literal is
lifted only where both are surely alike: `column op literal`, op a comparison, inside WHERE or ON;
the literal's type class goes with it. Every other literal stays in the template and so in its key.

This file must not know the cache that its keys are for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from postgast import pg_query_pb2 as pb

from proxy.sql import tree
from proxy.sql.classify import text_of
from proxy.sql.infer import COMPARISONS, INT4_OID, INT8_OID, NUMERIC_OID
from proxy.sql.parse import Statement

UNDECLARED_OID = (
    0  # an untyped literal takes its type from the column, as an undeclared parameter does
)
LITERALS_LIFTED_MAX = 100  # beyond that a statement is generated and its shape rarely repeats


@dataclass(frozen=True, slots=True)
class Template:
    """`statement` is the template as a statement of its own, its text unprinted (`with_text`).

    `values` (text format) and `oids` belong to its parameters; `key` is equal for statements of one
    template and for no others. `locations`: where each value stood, in bytes of the parsed text.
    """

    statement: Statement
    key: bytes
    oids: tuple[int, ...]
    values: tuple[bytes, ...]
    locations: tuple[int, ...] = ()


def lift(statement: Statement) -> Template | None:
    """The template of a query, None where nothing can be lifted or the client has parameters."""
    node = tree.copy(statement.node)
    lifting = _Lifting()
    if not lifting.visit_query(node) or not lifting.values:
        return None
    if len(lifting.values) > LITERALS_LIFTED_MAX:
        return None
    tree.strip_locations(node)
    key = node.SerializeToString(deterministic=True) + repr(lifting.oids).encode()
    made = replace(statement, text="", offset=0, node=node, byte_offset=0)
    return Template(made, key, tuple(lifting.oids), tuple(lifting.values), tuple(lifting.locations))


def with_text(template: Template) -> Statement:
    """The template's statement with its text, for whoever decides it. Raises as `classify` does."""
    return replace(template.statement, text=text_of(template.statement.node))


class _Lifting:
    def __init__(self) -> None:
        self.oids: list[int] = []
        self.values: list[bytes] = []
        self.locations: list[int] = []

    def visit_query(self, select: tree.Node) -> bool:
        """Lift inside one SelectStmt. False: the statement has parameters and is left alone."""
        candidates: list[tree.Node] = []
        stack: list[tuple[tree.Node, bool]] = [(select, False)]
        while stack:
            message, is_condition = stack.pop()
            name = message.DESCRIPTOR.name
            if name == "ParamRef":
                return False
            if name == "A_Expr" and is_condition:
                candidates.append(message)
            for field, value in message.ListFields():
                if field.message_type is None:
                    continue
                below = _is_condition(name, field.name, is_condition=is_condition)
                for child in value if field.is_repeated else (value,):
                    held = tree.held(child)
                    if held is not None:
                        stack.append((held, below))
        for expression in sorted(candidates, key=lambda found: found.location):
            self._lift(expression)
        return True

    def _lift(self, expression: tree.Node) -> None:
        if expression.kind != pb.AEXPR_OP or len(expression.name) != 1:
            return
        if expression.name[0].string.sval not in COMPARISONS:
            return
        left, right = expression.lexpr, expression.rexpr
        if left.HasField("column_ref") and right.HasField("a_const"):
            self._replace(right)
        elif right.HasField("column_ref") and left.HasField("a_const"):
            self._replace(left)

    def _replace(self, node: tree.Node) -> None:
        constant = node.a_const
        if constant.HasField("sval"):
            oid, text = UNDECLARED_OID, constant.sval.sval
        elif constant.HasField("ival"):
            oid, text = INT4_OID, str(constant.ival.ival)
        elif constant.HasField("fval"):
            text = constant.fval.fval
            oid = INT8_OID if text.isdigit() and int(text) < 2**63 else NUMERIC_OID
        else:
            return
        self.locations.append(constant.location)
        self.oids.append(oid)
        self.values.append(text.encode("utf-8"))
        node.Clear()
        node.param_ref.number = len(self.values)


# Messages through which a condition stays a condition: what they hold is compared and no more.
_TRANSPARENT = frozenset({"BoolExpr", "A_Expr", "SubLink"})


def _is_condition(name: str, field: str, *, is_condition: bool) -> bool:
    if name == "SelectStmt":
        return field == "where_clause"
    if name == "JoinExpr":
        return field == "quals"
    return is_condition and name in _TRANSPARENT
