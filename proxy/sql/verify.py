"""The second lock: the printed text is parsed again and walked by other rules than those that made
it.

Nothing here uses `bind`, `fence` or `guard`, their walks or their resolution of names. What is
demanded of the text that a source would run (I2):

1. It parses to exactly one SELECT, and to the very tree that was printed.
2. A relation with a schema name stands only in a subquery that equals, node for node, the guard
   composed here from the decision's own texts; each expected guard occurs as often as expected, no
   more, no less. Most of a statement is guards, and comparing trees is slow, so first their texts
   are compared: where the parser found the first output of a subquery, stands the guard's own text,
   and parentheses around it. Equal texts make equal trees. Otherwise the trees are compared.
3. A relation without a schema name is a WITH name in force at that place.
4. Outside guards: every function and operator is allowed, functions are qualified, no parameter is
   numbered beyond the client's own (so no claim can be read), and no node kind occurs that runs,
   locks or writes.

A disagreement is an InternalFault: the statement is refused and the alarm is raised, for then one
of the two locks is broken.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from postgast import pg_query_pb2 as pb

from policies.model import ColumnDecision
from proxy.faults import Fault, InternalFault, LimitFault, UnsupportedFault
from proxy.sql import tree
from proxy.sql.allow import CLASSIFICATION
from proxy.sql.guard import GuardedRelation, Rewritten

BUILT_IN_SCHEMA = "pg_catalog"

# No query that only reads has a use for these, whatever else the grammar may bring.
_FORBIDDEN = frozenset(
    """IntoClause LockingClause RangeTableSample CurrentOfExpr SetToDefault MultiAssignRef
    OnConflictClause MergeWhenClause InferClause""".split()
)
_NAMING_KINDS = frozenset(
    {pb.AEXPR_OP, pb.AEXPR_OP_ANY, pb.AEXPR_OP_ALL}
)  # others have fixed names
_IDENTITY_KEYWORDS = frozenset(
    {
        pb.SVFOP_CURRENT_ROLE, pb.SVFOP_CURRENT_USER, pb.SVFOP_USER, pb.SVFOP_SESSION_USER,
        pb.SVFOP_CURRENT_CATALOG, pb.SVFOP_CURRENT_SCHEMA,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verified:
    """A guarded statement that both locks agree on.

    `leaves_nothing`: whatever it runs is built in and on the reviewed allow-list, so no state is
    left in the connection that ran it; neither a function of an extension nor a view is in it.
    """

    rewritten: Rewritten
    leaves_nothing: bool = False


def verify(rewritten: Rewritten) -> Verified:
    """Check a rewritten statement. Raises InternalFault on any disagreement."""
    try:
        statements = tree.parse_tree(rewritten.sql).stmts
    except LimitFault:
        raise  # the guards of wide tables are long
    except Fault as fault:
        # A form that the printer gets wrong: never run, and the client may write it otherwise.
        raise UnsupportedFault(
            "this statement cannot be printed exactly", detail=fault.message
        ) from None
    if len(statements) != 1 or not statements[0].stmt.HasField("select_stmt"):
        raise InternalFault("the printed statement is not one query")
    again = statements[0].stmt.select_stmt
    walk = _Walk(rewritten)
    walk.visit(again, frozenset())
    walk.finish()
    # What the guards of the text hold has been compared; here they stand for themselves.
    printed = tree.copy(rewritten.node)
    _shorten_guards(printed)
    if tree.strip_locations(again) != tree.strip_locations(printed):
        raise InternalFault("the printed statement reads back as another one")
    is_stored = all(guarded.is_stored for guarded in rewritten.guards)
    return Verified(rewritten, leaves_nothing=is_stored and walk.is_built_in)


class _Walk:
    def __init__(self, rewritten: Rewritten) -> None:
        self.parameter_count = rewritten.parameter_count
        self.is_built_in = True
        self.text = rewritten.sql.encode()
        self.expected: Counter[bytes] = Counter()
        self.forms: dict[tuple[str, str], list[_Form]] = {}
        slots = {slot.name: number for number, slot in enumerate(rewritten.claim_slots, 1)}
        for guarded in rewritten.guards:
            forms = _expected_forms(guarded, rewritten, slots)
            self.expected[forms[0].plain] += 1
            self.forms.setdefault((guarded.key.schema, guarded.key.name), []).extend(forms)

    def visit(self, message: tree.Node, with_names: frozenset[str]) -> None:
        name = message.DESCRIPTOR.name
        if name == "SelectStmt":
            if self._is_guard(message):
                return
            with_names = self._visit_with(message, with_names)
        elif name == "RangeVar":
            if message.schemaname or message.catalogname or message.relname not in with_names:
                raise InternalFault("a relation stands outside its guard")
        else:
            self._judge(name, message)
        for field, value in message.ListFields():
            if field.message_type is None or field.name == "with_clause":
                continue
            for child in value if field.is_repeated else (value,):
                if child.DESCRIPTOR.name == "Node":
                    chosen = child.WhichOneof("node")
                    if chosen is not None:
                        self.visit(getattr(child, chosen), with_names)
                else:
                    self.visit(child, with_names)

    def finish(self) -> None:
        if any(self.expected.values()):
            raise InternalFault("a guard is missing")

    def _is_guard(self, message: tree.Node) -> bool:
        if not _reads_one_relation(message):
            return False
        plain = self._recognised(message)
        if plain is None or self.expected[plain] <= 0:
            raise InternalFault("a guard differs from what policy decided")
        self.expected[plain] -= 1
        _shorten(message)
        return True

    def _recognised(self, message: tree.Node) -> bytes | None:
        """Which expected guard this subquery is."""
        relation = message.from_clause[0].range_var
        forms = self.forms.get((relation.schemaname, relation.relname), ())
        if message.target_list:
            location = message.target_list[0].res_target.location
            for form in forms:
                begin = location - form.first_output
                if form.text and begin >= 0 and self.text.startswith(form.text, begin):
                    return form.plain
        node = _without_positions(message)
        return next((form.plain for form in forms if form.node == node), None)

    def _visit_with(self, message: tree.Node, with_names: frozenset[str]) -> frozenset[str]:
        if not message.HasField("with_clause"):
            return with_names
        clause = message.with_clause
        names = [item.common_table_expr.ctename for item in clause.ctes]
        scope = with_names.union(names) if clause.recursive else with_names
        for item in clause.ctes:
            expression = item.common_table_expr
            if not expression.ctequery.HasField("select_stmt"):
                raise InternalFault("WITH holds something else than a query")
            self.visit(expression.ctequery.select_stmt, scope)
            for extra in (expression.search_clause, expression.cycle_clause):
                self.visit(extra, scope)
            scope = scope | {expression.ctename}
        return scope

    def _judge(self, name: str, message: tree.Node) -> None:
        if name in _FORBIDDEN or (name.endswith("Stmt") and name != "SelectStmt"):
            raise InternalFault(f"a {name} was about to be run")
        if name == "FuncCall":
            names = tree.names(message.funcname)
            verdict = CLASSIFICATION.function(names[-1], tree.arity(message))
            is_side_by_side = names == ("unnest",) and len(message.args) > 1
            is_bare = is_side_by_side or (len(names) == 1 and CLASSIFICATION.is_shared(names[0]))
            if not verdict.is_allowed or (names[0] != verdict.schema and not is_bare):
                raise InternalFault("a function outside the allow-list was about to be run")
            self.is_built_in &= verdict.schema == BUILT_IN_SCHEMA
        elif name == "A_Expr" and message.kind in _NAMING_KINDS:
            self._judge_operator(tree.names(message.name))
        elif name == "SubLink" and message.oper_name:
            self._judge_operator(tree.names(message.oper_name))
        elif name == "SortBy" and message.use_op:
            self._judge_operator(tree.names(message.use_op))
        elif name == "TypeName" and tree.names(message.names)[0] != BUILT_IN_SCHEMA:
            self.is_built_in = False  # reading a literal of an extension's type runs its code
        elif name == "ParamRef" and not 1 <= message.number <= self.parameter_count:
            raise InternalFault("a parameter outside the client's own was about to be read")
        elif name == "SQLValueFunction" and message.op in _IDENTITY_KEYWORDS:
            raise InternalFault("an identity of the source was about to be told")

    def _judge_operator(self, names: tuple[str, ...]) -> None:
        operator = CLASSIFICATION.operator(names[-1])
        if not operator.is_allowed or (len(names) > 1 and names[0] != operator.schema):
            raise InternalFault("an operator outside the allow-list was about to be run")
        self.is_built_in &= operator.schema == BUILT_IN_SCHEMA


def _reads_one_relation(message: tree.Node) -> bool:
    """Whether a SelectStmt is what only a guard may be: `SELECT … FROM schema.relation …`."""
    if len(message.from_clause) != 1 or not message.from_clause[0].HasField("range_var"):
        return False
    return bool(message.from_clause[0].range_var.schemaname)


def _shorten(message: tree.Node) -> None:
    """Leave of a guard what it reads and no more."""
    relation = message.from_clause[0].range_var
    schema, name = relation.schemaname, relation.relname
    message.Clear()
    relation = message.from_clause.add().range_var
    relation.schemaname, relation.relname = schema, name


def _shorten_guards(node: tree.Node) -> None:
    stack = [node]
    while stack:
        message = stack.pop()
        if message.DESCRIPTOR.name == "SelectStmt" and _reads_one_relation(message):
            _shorten(message)
        else:
            stack.extend(tree.children(message))


def _without_positions(message: tree.Node) -> bytes:
    bare: bytes = tree.strip_locations(tree.copy(message)).SerializeToString(deterministic=True)
    return bare


@dataclass(frozen=True, slots=True)
class _Form:
    """One form of an expected guard. `plain`: the tree without its own fence, by which it counts;
    `node`: the tree; both as bytes.

    `text`: how it is printed, in parentheses, and `first_output`: how many bytes of that stand
    before the first output. Empty where printing it alone does not read back as it.
    """

    plain: bytes
    node: bytes
    text: bytes = b""
    first_output: int = 0


_Forms = tuple[_Form, _Form]
# The decision is kept, so that its id() stays its own.
_forms: dict[object, tuple[object, _Forms]] = {}
_FORMS_MAX = 4_096  # composed guards kept; one is some kilobytes


def _expected_forms(
    guarded: GuardedRelation, rewritten: Rewritten, slots: dict[str, int]
) -> _Forms:
    """The guard as the decision's texts compose it, plain and with its own fence."""
    decision = guarded.decision
    if rewritten.claim_literals is not None:  # values differ by identity: never shared
        return _compose_forms(guarded, rewritten, slots)
    key = (
        id(decision),
        guarded.key,
        guarded.is_only,
        guarded.restless,
        tuple(slots.get(name) for name in decision.claim_types),
        rewritten.parameter_count,
    )
    known = _forms.get(key)
    if known is None or known[0] is not decision:
        if len(_forms) >= _FORMS_MAX:
            _forms.clear()
        known = _forms[key] = (decision, _compose_forms(guarded, rewritten, slots))
    return known[1]


def _compose_forms(guarded: GuardedRelation, rewritten: Rewritten, slots: dict[str, int]) -> _Forms:
    plain = _compose_guard(guarded, rewritten, slots, frozenset(), "")
    fenced = _compose_guard(guarded, rewritten, slots, guarded.restless, " OFFSET 0")
    name = _without_positions(plain)
    return _form(name, plain), _form(name, fenced)


def _form(plain: bytes, statement: tree.Node) -> _Form:
    node = _without_positions(statement)
    try:
        text = tree.print_tree(statement)
        again = tree.parse_tree(text).stmts[0].stmt.select_stmt
    except Fault:
        return _Form(plain, node)
    if _without_positions(again) != node or not again.target_list:
        return _Form(plain, node)
    first_output = again.target_list[0].res_target.location + len("(")
    return _Form(plain, node, f"({text})".encode(), first_output)


def _compose_guard(
    guarded: GuardedRelation,
    rewritten: Rewritten,
    slots: dict[str, int],
    restless: frozenset[str],
    suffix: str,
) -> tree.Node:
    decision = guarded.decision
    only = "ONLY " if guarded.is_only else ""
    relation = f"{_quoted(guarded.key.schema)}.{_quoted(guarded.key.name)}"
    where = "" if decision.row_filter == "true" else f" WHERE {decision.row_filter}"
    columns = ", ".join(_shown(column, restless) for column in decision.columns)
    text = f"SELECT {columns} FROM {only}{relation}{where}{suffix}"
    statement = tree.parse_tree(text).stmts[0].stmt.select_stmt
    _substitute_claims(statement, decision.claim_types, rewritten, slots)
    _hold_lookups(statement)
    return statement


def _shown(column: ColumnDecision, restless: frozenset[str]) -> str:
    name = _quoted(column.name)
    if column.expression is not None:
        return f"{column.expression} AS {name}"
    return f"COALESCE({name}, {name}) AS {name}" if column.name in restless else name


def _substitute_claims(
    message: tree.Node, types: object, rewritten: Rewritten, slots: dict[str, int]
) -> None:
    """Put parameters or literals where the policy's text says claim('…'), depth first."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for child in value if field.is_repeated else (value,):
            is_union = child.DESCRIPTOR.name == "Node"
            if is_union and child.HasField("func_call") and _is_claim(child.func_call):
                name = child.func_call.args[0].a_const.sval.sval
                type_name = types[name].name  # type: ignore[index]
                child.CopyFrom(_claim_value(name, type_name, rewritten, slots))
            else:
                _substitute_claims(child, types, rewritten, slots)


def _hold_lookups(statement: tree.Node) -> None:
    """`IS TRUE` around each top-level condition that reads a lookup table, and around no other."""
    where = statement.where_clause
    is_list = where.HasField("bool_expr") and where.bool_expr.boolop == pb.AND_EXPR
    for part in where.bool_expr.args if is_list else [where]:
        if _holds_query(part):
            held = pb.BooleanTest(booltesttype=pb.IS_TRUE)
            held.arg.CopyFrom(part)
            part.Clear()
            part.boolean_test.CopyFrom(held)


def _holds_query(message: tree.Node) -> bool:
    for field, value in message.ListFields():
        if field.name == "sub_link":
            return True
        if field.message_type is None:
            continue
        if any(map(_holds_query, value if field.is_repeated else (value,))):
            return True
    return False


def _is_claim(call: tree.Node) -> bool:
    return len(call.funcname) == 1 and call.funcname[0].string.sval == "claim"


def _claim_value(
    name: str, type_name: str, rewritten: Rewritten, slots: dict[str, int]
) -> tree.Node:
    if rewritten.claim_literals is None:
        value = pb.Node(param_ref=pb.ParamRef(number=rewritten.parameter_count + slots[name]))
    elif rewritten.claim_literals[name] is None:
        value = pb.Node(a_const=pb.A_Const(isnull=True))
    else:
        text = rewritten.claim_literals[name]
        value = pb.Node(a_const=pb.A_Const(sval=pb.String(sval=text)))
    return tree.strip_locations(tree.cast(value, type_name))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
