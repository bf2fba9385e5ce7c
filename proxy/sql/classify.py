"""Which statements may go on at all: an allow-list over every node of the tree (I3).

The walk is generic: it visits every message that the grammar can produce, and a message type that
no row of the table below names is refused. So a kind of node that a later PostgreSQL adds, or that
this file forgot, is refused as well; nothing is reached by a hand-made visitor that may miss a
field.

What is decided here: statement kind, node kinds, functions, operators and types by name, and the
*route*: a statement about the catalog runs on the shadow, any other on a source; one that mixes
both is refused, for the shadow's tables are empty and would answer wrongly.

This file must not know what exists for a principal; it asks `proxy.catalog.route` for catalog names
only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from postgast import pg_query_pb2 as pb

from proxy.catalog import route
from proxy.faults import DeniedFault, Fault, LimitFault, UnsupportedFault
from proxy.sql import tree
from proxy.sql.allow import CLASSIFICATION
from proxy.sql.classification import Kind as NameKind
from proxy.sql.copy_to import CopyOptions, copy_query
from proxy.sql.parse import Kind, Statement
from proxy.sql.xml import uses_xml


class Route(Enum):
    """Where a statement is answered."""

    DATA = auto()
    CATALOG = auto()


@dataclass(frozen=True)
class Classified:
    """A statement whose every node may be used. `query` is a SelectStmt that the next step owns.

    `node_count` is how many nodes it has, `named` the relations in it, WITH names among them;
    `names_database` says whether a name in it begins with a database's.
    """

    statement: Statement
    query: tree.Node
    route: Route
    copy: CopyOptions | None = None
    node_count: int = 0
    named: tuple[tuple[str, str], ...] = ()
    names_database: bool = False


# Message types without a rule of their own. Strings, integers and lists carry other nodes' parts.
_PLAIN = frozenset(
    """ResTarget ParamRef A_Const A_Star BoolExpr CollateClause WindowDef Alias NullTest BooleanTest
    CaseExpr CaseWhen CoalesceExpr MinMaxExpr RowExpr A_ArrayExpr A_Indices WithClause
    CTESearchClause CTECycleClause GroupingSet GroupingFunc SQLValueFunction List String Integer
    Float Boolean BitString NamedArgExpr RangeSubselect RangeFunction JoinExpr ColumnDef
    JsonObjectConstructor JsonArrayConstructor JsonArrayQueryConstructor JsonObjectAgg JsonArrayAgg
    JsonAggConstructor JsonOutput JsonReturning JsonFormat JsonKeyValue JsonValueExpr
    JsonIsPredicate JsonFuncExpr JsonBehavior JsonArgument JsonParseExpr JsonScalarExpr
    JsonSerializeExpr JsonTable JsonTableColumn JsonTablePathSpec XmlExpr XmlSerialize
    RangeTableFunc RangeTableFuncCol""".split()
)


@dataclass(slots=True)
class _Facts:
    """What the walk found out. `catalog_names` and `data_names` decide the route."""

    statement: Statement
    catalog_names: set[str] = field(default_factory=set)
    relations: list[tree.Node] = field(default_factory=list)
    has_with: bool = False
    names_database: bool = False

    def position(self, message: tree.Node) -> int | None:
        location = getattr(message, "location", 0)
        return self.statement.position(location) if location > 0 else None


def classify(statement: Statement) -> Classified:
    """Judge a statement of kind QUERY, COPY_TO or EXPLAIN_POLICY.

    Raises: DeniedFault (42501) for what policy never allows, UnsupportedFault (0A000) for what this
    gate does not do, Fault (42883, 42704) for a name that does not exist.
    """
    if statement.kind is Kind.COPY_TO:
        query, copy = copy_query(statement.node)
    elif statement.kind in (Kind.QUERY, Kind.EXPLAIN_POLICY):
        query, copy = statement.node, None
    else:
        raise refusal(statement)
    facts = _Facts(statement)
    node_count = _walk(query, facts)
    named = tuple((relation.schemaname, relation.relname) for relation in facts.relations)
    route_of_it = _route(query, facts)
    return Classified(statement, query, route_of_it, copy, node_count, named, facts.names_database)


def text_of(query: tree.Node) -> str:
    """The text of a client's query, printed only if it may go on: the printer is a library that
    ends the process for a tree that it does not expect. Raises as `classify` does."""
    try:
        classify(Statement("", 0, query, Kind.QUERY))
    except Fault as fault:
        fault.position = None  # the query stands nowhere by itself
        raise
    return tree.print_tree(query)


def refusal(statement: Statement) -> Fault:
    """The answer to a statement kind that is never run."""
    if statement.kind is Kind.WRITE:
        return DeniedFault("permission denied: this gate is read-only")
    if statement.kind is Kind.LISTEN_NOTIFY:
        return UnsupportedFault("LISTEN and NOTIFY are not supported")
    if statement.kind is Kind.EXPLAIN:
        return UnsupportedFault(
            "EXPLAIN is not supported: a plan tells of hidden rows",
            hint="EXPLAIN POLICY <query> shows which rules apply.",
        )
    if _makes_temporary(statement.node):
        return _no_temporary()
    return DeniedFault("permission denied: this kind of statement is not allowed")


def _makes_temporary(node: tree.Node) -> bool:
    """CREATE TEMP TABLE, VIEW, or TABLE … AS: BI tools try one to learn whether they may."""
    match node.DESCRIPTOR.name:
        case "CreateStmt":
            relation = node.relation
        case "ViewStmt":
            relation = node.view
        case "CreateTableAsStmt":
            relation = node.into.rel
        case _:
            return False
    return bool(relation.relpersistence == "t" or relation.schemaname == "pg_temp")


def _no_temporary() -> Fault:
    """As Postgres refuses a role without the privilege TEMPORARY: tools then do without."""
    return DeniedFault(
        "permission denied to create temporary tables in this database",
        hint="This gate only reads. Use a subquery or WITH instead.",
    )


# The walk


# Deciding takes some 20 µs a node; ORMs send IN lists of 10,000.
TREE_NODES_MAX = 60_000


def _walk(root: tree.Node, facts: _Facts) -> int:
    stack = [root]
    visited = 0
    while stack:
        visited += 1
        if visited > TREE_NODES_MAX:
            raise LimitFault(
                "statement too complex",
                sqlstate="54001",
                hint=f"It has more than {TREE_NODES_MAX} parts; pass long lists as one array.",
            )
        message = stack.pop()
        name = message.DESCRIPTOR.name
        if name not in _PLAIN:
            rule = _RULES.get(name)
            if rule is None:
                raise UnsupportedFault(f"{name} is not supported", position=facts.position(message))
            rule(message, facts)
        stack.extend(tree.children(message))
    return visited


def _select(message: tree.Node, facts: _Facts) -> None:
    if message.HasField("into_clause"):
        if message.into_clause.rel.relpersistence == "t":
            raise _no_temporary()
        raise DeniedFault("permission denied: SELECT INTO writes a table")
    if message.locking_clause:
        raise UnsupportedFault("row locks (FOR UPDATE, FOR SHARE) are not supported")


def _with_query(message: tree.Node, facts: _Facts) -> None:
    facts.has_with = True
    if not message.ctequery.HasField("select_stmt"):
        raise DeniedFault(
            "permission denied: this gate is read-only", position=facts.position(message)
        )


def _relation(message: tree.Node, facts: _Facts) -> None:
    if message.relpersistence not in ("p", ""):
        raise UnsupportedFault("temporary tables are not supported")
    facts.relations.append(message)
    facts.names_database |= bool(message.catalogname)


def _sample(message: tree.Node, facts: _Facts) -> None:
    raise UnsupportedFault("TABLESAMPLE is not supported: a sample tells of hidden rows")


def _column(message: tree.Node, facts: _Facts) -> None:
    last = message.fields[-1]
    if last.HasField("string") and len(message.fields) == 1:
        return
    facts.names_database |= len(message.fields) == 4
    if len(message.fields) > 4:
        raise Fault("improper qualified name (too many dotted names)", sqlstate="42601")


def _function(message: tree.Node, facts: _Facts) -> None:
    names = tree.names(message.funcname)
    verdict = CLASSIFICATION.function(names[-1], tree.arity(message))
    shown = ".".join(names)
    if len(names) > 2 or (len(names) == 2 and names[0] != verdict.schema):
        verdict_kind = NameKind.UNKNOWN
    else:
        verdict_kind = verdict.kind
    match verdict_kind:
        case NameKind.ALLOWED | NameKind.IDENTITY:
            return
        case NameKind.CATALOG:
            facts.catalog_names.add(f"function {shown}()")
        case NameKind.REFUSED if names[-1] == "set_config" and _reads_column(message):
            facts.catalog_names.add(f"function {shown}()")  # of pg_settings: the shadow knows more
        case NameKind.UNKNOWN:
            return  # the shadow gives PostgreSQL's own "does not exist"; `identity.settle` insists
        case _:
            raise DeniedFault(
                f"permission denied for function {shown}",
                detail=verdict.reason,
                position=facts.position(message),
            )


def _reads_column(call: tree.Node) -> bool:
    return bool(call.args) and bool(call.args[0].HasField("column_ref"))


def _indirection(message: tree.Node, facts: _Facts) -> None:
    """`(value).name` reads a field, or calls the function `name` with the value (functional
    notation)."""
    for part in message.indirection:
        if not part.HasField("string"):
            continue
        name = part.string.sval
        verdict = CLASSIFICATION.function(name, 1)
        if CLASSIFICATION.is_function(name) and verdict.kind is not NameKind.ALLOWED:
            raise DeniedFault(f"permission denied for function {name}", detail=verdict.reason)


_LIKE_KINDS = {pb.AEXPR_LIKE, pb.AEXPR_ILIKE, pb.AEXPR_SIMILAR}


def _operator(message: tree.Node, facts: _Facts) -> None:
    names = tree.names(message.name)
    if message.kind in _LIKE_KINDS or not names:
        return
    if message.kind in (
        pb.AEXPR_BETWEEN, pb.AEXPR_NOT_BETWEEN, pb.AEXPR_BETWEEN_SYM, pb.AEXPR_NOT_BETWEEN_SYM,
    ):  # fmt: skip
        return
    _judge_operator(names, message, facts)


def _sub_link_operator(message: tree.Node, facts: _Facts) -> None:
    if message.oper_name:
        _judge_operator(tree.names(message.oper_name), message, facts)


def _sort_operator(message: tree.Node, facts: _Facts) -> None:
    if message.use_op:
        _judge_operator(tree.names(message.use_op), message, facts)


def _judge_operator(names: tuple[str, ...], message: tree.Node, facts: _Facts) -> None:
    verdict = CLASSIFICATION.operator(names[-1])
    is_at_home = len(names) == 1 or (len(names) == 2 and names[0] == verdict.schema)
    if not verdict.is_allowed or not is_at_home:
        raise DeniedFault(
            f"permission denied for operator {'.'.join(names)}", position=facts.position(message)
        )


def _type(message: tree.Node, facts: _Facts) -> None:
    if message.setof or message.pct_type:
        raise UnsupportedFault(
            "SETOF and %TYPE are not supported", position=facts.position(message)
        )
    names = tree.names(message.names)
    verdict = CLASSIFICATION.type(names[-1])
    if len(names) == 2 and names[0] != "pg_catalog":
        return  # a type of a source: the shadow has only those the principal may name
    match verdict.kind:
        case NameKind.CATALOG:
            facts.catalog_names.add(f"type {names[-1]}")
        case NameKind.REFUSED:
            raise DeniedFault(
                f"permission denied for type {names[-1]}",
                detail=verdict.reason,
                position=facts.position(message),
            )


def _cast(message: tree.Node, facts: _Facts) -> None:
    names = tree.names(message.type_name.names)
    is_literal_type = CLASSIFICATION.type(names[-1]).kind is NameKind.LITERAL
    if is_literal_type and not message.arg.a_const.HasField("sval"):
        facts.catalog_names.add(f"type {names[-1]}")


_RULES: dict[str, Callable[[tree.Node, _Facts], None]] = {
    "SelectStmt": _select,
    "CommonTableExpr": _with_query,
    "RangeVar": _relation,
    "RangeTableSample": _sample,
    "ColumnRef": _column,
    "FuncCall": _function,
    "A_Indirection": _indirection,
    "A_Expr": _operator,
    "SubLink": _sub_link_operator,
    "SortBy": _sort_operator,
    "TypeName": _type,
    "TypeCast": _cast,
}


# Route


def _route(query: tree.Node, facts: _Facts) -> Route:
    """CATALOG if anything but the catalog would have to answer for the catalog; never both."""
    # Without WITH every name of a relation means one.
    bases = base_relations(query) if facts.has_with else facts.relations
    catalog = [base for base in bases if route.is_catalog_relation(base.schemaname, base.relname)]
    if not catalog and not facts.catalog_names:
        return Route.DATA
    if len(catalog) != len(bases):
        asked = sorted({base.relname for base in catalog} | facts.catalog_names)
        read = sorted({base.relname for base in bases if base not in catalog})
        raise UnsupportedFault(
            "a statement may read the catalog or data, not both at once",
            detail=f"Of the catalog: {', '.join(asked)}. Data: {', '.join(read)}.",
            hint="Query the catalog and the data in two statements.",
        )
    if uses_xml(query):
        raise UnsupportedFault("XML is not supported in a statement about the catalog")
    return Route.CATALOG


def base_relations(query: tree.Node) -> list[tree.Node]:
    """The RangeVar messages of a query that mean relations, not WITH names, by exact scoping."""
    found: list[tree.Node] = []
    _collect(query, frozenset(), found)
    return found


def _collect(message: tree.Node, with_names: frozenset[str], found: list[tree.Node]) -> None:
    if message.DESCRIPTOR.name == "RangeVar":
        if message.schemaname or message.relname not in with_names:
            found.append(message)
        return
    if message.DESCRIPTOR.name != "SelectStmt" or not message.HasField("with_clause"):
        for child in tree.children(message):
            _collect(child, with_names, found)
        return
    expressions = [item.common_table_expr for item in message.with_clause.ctes]
    inner = with_names
    if message.with_clause.recursive:
        inner = with_names | {expression.ctename for expression in expressions}
    for expression in expressions:
        _collect(expression.ctequery.select_stmt, inner, found)
        inner = inner | {expression.ctename}
    for child in tree.children(message):
        if child.DESCRIPTOR.name != "WithClause":
            _collect(child, inner, found)
