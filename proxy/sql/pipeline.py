"""The steps between a judged statement and its fragment, in their one order.

    Classified -> (settle identities) -> bind -> fence -> guard -> verify -> Fragment

Pure: the shadow has been asked before (its parameter types come in), the source is asked
afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from policies.claims import to_text
from policies.model import ColumnDecision, RelationDecision, RelationKey
from proxy.catalog import route
from proxy.catalog.virtual import ClassCatalog, VisibleRelation
from proxy.faults import DeniedFault, Fault, InternalFault, LimitFault, UnsupportedFault
from proxy.sql import tree
from proxy.sql.allow import CLASSIFICATION
from proxy.sql.bind import Resolve, bind
from proxy.sql.classify import Classified, base_relations
from proxy.sql.exact import demand_exact
from proxy.sql.fence import Fences, place_fences
from proxy.sql.files import file_plan
from proxy.sql.guard import GuardedRelation, Rewritten, guard
from proxy.sql.identity import SessionFacts, make_printable, settle
from proxy.sql.parse import Kind, Statement
from proxy.sql.pattern import settle_patterns
from proxy.sql.plan import FilePlan
from proxy.sql.safety import Safety
from proxy.sql.scope import Bound, ItemKind
from proxy.sql.shape import shapes
from proxy.sql.split import (
    MERGE,
    MERGE_SCHEMA,
    Keys,
    PartColumn,
    point_at_tables,
    take_apart,
)
from proxy.sql.subtree import Stage, take_stages
from proxy.sql.verify import Verified, verify
from proxy.sql.whole import whole_statement
from proxy.sql.xml import needs_stand_ins, with_stand_ins
from proxy.wire.type_oids import FIRST_OWN_OID

# Each is a guard to build, print and verify, a millisecond or more.
FROM_ITEMS_MAX = 250

Decide = Callable[[RelationKey], RelationDecision]


@dataclass(frozen=True, slots=True)
class Guarded:
    """A verified statement with what its execution needs to know.

    `source` the one source of its relations, "" for a statement without relations, `MERGE` for one
    over several: then `parts` are to be loaded first, and `verified` is what remains.
    """

    verified: Verified
    source: str
    parts: tuple[Part, ...] = ()

    @property
    def rewritten(self) -> Rewritten:
        return self.verified.rewritten

    @property
    def guards(self) -> tuple[GuardedRelation, ...]:
        """Every relation that is read, with its decision: of the parts, where there are any."""
        if self.parts:
            return tuple(one for part in self.parts for one in part.guarded.rewritten.guards)
        return self.rewritten.guards

    @property
    def sql(self) -> str:
        """What runs, for the record: a text for each part, then the one that remains."""
        texts = [f"{part.table}: {part.sql}" for part in self.parts]
        return ";\n".join([*texts, self.rewritten.sql])


@dataclass(frozen=True, slots=True)
class Part:
    """One relation of a statement over several sources, or a whole subquery: guarded, and where its
    rows go.

    `asked` is the query before it was guarded, in terms of what the principal sees. `narrowed` is
    the same query for the rows with certain `keys`, an array that is its last parameter. `files`
    and `narrowed_files`: how they run where the source holds files.
    """

    guarded: Guarded
    asked: str
    table: str
    columns: tuple[PartColumn, ...]
    keys: Keys | None = None
    narrowed: Guarded | None = None
    files: FilePlan | None = None
    narrowed_files: FilePlan | None = None

    @property
    def sql(self) -> str:
        """The texts that its source may get."""
        texts = [one.rewritten.sql for one in (self.guarded, self.narrowed) if one is not None]
        return " or, with few keys: ".join(texts)


# Beyond it a statement takes some 50 ms to guard, longer than others should wait for it.
LIGHT_MAX = 2_000
_GUARD_WEIGHT = 30  # what a guard costs besides its columns, in nodes


def is_heavy(classified: Classified, catalog: ClassCatalog, search_path: Sequence[str]) -> bool:
    """Whether to guard a statement takes long: by its nodes, and the columns of what it reads."""
    weight = classified.node_count
    for schema, name in classified.named:
        found = catalog.resolve(schema or None, name, search_path)
        weight += _GUARD_WEIGHT + (0 if found is None else len(found.columns))
    return weight > LIGHT_MAX


def rewrite(
    classified: Classified,
    catalog: ClassCatalog,
    decide: Decide,
    *,
    facts: SessionFacts,
    parameter_oids: Sequence[int],
    claim_literals: Callable[[str, RelationDecision], str | None] | None = None,
    column_count: int | None = None,
) -> Guarded:
    """Guard and verify a DATA statement. Its tree is copied: it may have to be decided again.
    `column_count` is how many columns the shadow described, None where it was not asked.

    `parameter_oids`: the client's parameter types as the shadow described them. `claim_literals`:
    for COPY, the text of a claim to print in place of a parameter. Raises: NotFoundFault,
    UnsupportedFault, DeniedFault, InternalFault, and what `decide` raises.
    """
    try:
        return _rewrite(
            classified, catalog, decide, facts, parameter_oids, claim_literals, column_count
        )
    except RecursionError:  # data flow through hundreds of WITH queries
        raise LimitFault("statement too complex", sqlstate="54001") from None


def _rewrite(
    classified: Classified,
    catalog: ClassCatalog,
    decide: Decide,
    facts: SessionFacts,
    parameter_oids: Sequence[int],
    claim_literals: Callable[[str, RelationDecision], str | None] | None,
    column_count: int | None,
) -> Guarded:
    _check_parameters(parameter_oids)
    node = tree.copy(classified.query)
    settle(node, facts, type_schemas(catalog), relations=catalog.relations)
    patterns = settle_patterns(node, parameter_oids)
    resolve = resolver(catalog, facts.schemas, facts.database)
    bound = bind(node, resolve, classified.statement.position, shapes(catalog))
    if column_count not in (None, len(bound.root.outputs)) and _counts_fields(bound):
        raise UnsupportedFault("this statement is not supported in its guarded form")
    if len(bound.items) > FROM_ITEMS_MAX:
        raise LimitFault(f"statement reads more than {FROM_ITEMS_MAX} tables", sqlstate="54001")
    safety = Safety(bound, _comparable(parameter_oids))
    decisions: dict[RelationKey, RelationDecision] = {}

    def decide_once(key: RelationKey) -> RelationDecision:
        if key not in decisions:
            decisions[key] = decide(key)
        return decisions[key]

    sources = {key.source for key in _keys(bound)}
    if len(sources) > 1 or sources & catalog.files:
        how = (bound, safety, catalog, resolve, decide_once, parameter_oids, patterns)
        return (_whole(*how) if sources <= catalog.files else None) or _split(*how)
    return _guarded(bound, safety, decide_once, parameter_oids, patterns, claim_literals)


def _comparable(oids: Sequence[int]) -> tuple[int, ...]:
    """The shadow numbers types that are not built in otherwise than a source: 0 for those."""
    return tuple(oid if oid < FIRST_OWN_OID else 0 for oid in oids)


def _keys(bound: Bound) -> set[RelationKey]:
    return {item.relation.relation.key for item in bound.items if item.relation is not None}


def _guarded(
    bound: Bound,
    safety: Safety,
    decide_once: Decide,
    parameter_oids: Sequence[int],
    patterns: frozenset[int],
    claim_literals: Callable[[str, RelationDecision], str | None] | None = None,
) -> Guarded:
    """Fence, guard and verify a statement whose relations all live in one source."""
    fences = place_fences(bound, safety)
    keys = _keys(bound)
    literals = None
    if claim_literals is not None:
        literals = {
            name: claim_literals(name, decide_once(key))
            for key in keys
            for name in decide_once(key).claims
        }
    rewritten = guard(
        bound,
        fences,
        decide_once,
        parameter_count=len(parameter_oids),
        pattern_parameters=patterns,
        claim_literals=literals,
    )
    return Guarded(verify(rewritten), next((key.source for key in keys), ""))


def _counts_fields(bound: Bound) -> bool:
    """Whether its columns were counted by what we know of rows; else the text itself tells."""
    functions = (item for item in bound.items if item.kind is ItemKind.FUNCTION)
    return bound.takes_rows_apart or any(functions)


def _split(
    bound: Bound,
    safety: Safety,
    catalog: ClassCatalog,
    resolve: Resolve,
    decide_once: Decide,
    parameter_oids: Sequence[int],
    patterns: frozenset[int],
) -> Guarded:
    """Guard each stage and relation at its own source, and what remains over the tables they are
    loaded to.

    Nothing of what remains needs a fence: hidden rows and values never get there.
    """
    stages = take_stages(bound, safety)
    if stages:
        bound = bind(bound.node, _resolver_of_stages(resolve, stages), shapes=shapes(catalog))
        safety = Safety(bound, _comparable(parameter_oids))
    narrow = {stage.table for stage in stages if stage.is_narrow}
    wanted = take_apart(bound, safety, len(parameter_oids), narrow)
    demand_exact(bound, safety, wanted, catalog, {stage.source for stage in stages})

    def alone(query: tree.Node, oids: Sequence[int]) -> Guarded:
        bound_alone = bind(query, resolve, shapes=shapes(catalog))
        judged = Safety(bound_alone, _comparable(oids))
        return _guarded(bound_alone, judged, decide_once, oids, patterns)

    def planned(
        guarded: Guarded, columns: Sequence[PartColumn], oids: Sequence[int]
    ) -> FilePlan | None:
        if guarded.source not in catalog.files:
            return None
        told = [(column.name, column.type_name) for column in columns]
        return file_plan(guarded.rewritten, catalog, told, _comparable(oids))

    parts = []
    for stage in stages:
        guarded = alone(tree.copy(stage.query), parameter_oids)
        files = planned(guarded, stage.columns, parameter_oids)
        asked = tree.print_tree(stage.query)
        parts.append(Part(guarded, asked, stage.table, stage.columns, files=files))
    for one in wanted:
        asked = tree.print_tree(one.query)
        narrowed = narrowed_files = None
        if one.narrowed is not None and one.keys is not None:
            oids = [*parameter_oids, one.keys.array_oid]
            narrowed = alone(one.narrowed, oids)
            narrowed_files = planned(narrowed, one.columns, oids)
        guarded = alone(one.query, parameter_oids)
        files = planned(guarded, one.columns, parameter_oids)
        parts.append(
            Part(guarded, asked, one.table, one.columns, one.keys, narrowed, files, narrowed_files)
        )
    caps = [decide_once(one.relation.relation.key) for one in wanted]
    decisions = {
        key: replace(decision, row_limit=cap.row_limit, byte_limit=cap.byte_limit)
        for (key, decision), cap in zip(point_at_tables(bound, wanted).items(), caps, strict=True)
    }
    for stage in stages:
        decisions[stage.relation.relation.key] = _all_of(stage, [*map(decide_once, stage.keys)])
    remaining = guard(
        bound,
        Fences(),
        lambda key: decisions[key],
        parameter_count=len(parameter_oids),
        pattern_parameters=patterns,
    )
    return Guarded(verify(remaining), MERGE, tuple(parts))


def _whole(
    bound: Bound,
    safety: Safety,
    catalog: ClassCatalog,
    resolve: Resolve,
    decide_once: Decide,
    parameter_oids: Sequence[int],
    patterns: frozenset[int],
) -> Guarded | None:
    """A statement over one source of files, if DuckDB can answer all of it exactly; else None."""
    whole = whole_statement(bound, safety) if len({k.source for k in _keys(bound)}) == 1 else None
    if whole is None:
        return None
    stage = whole.stage
    try:
        asked = bind(tree.copy(stage.query), resolve, shapes=shapes(catalog))
        oids = _comparable(parameter_oids)
        guarded = _guarded(asked, Safety(asked, oids), decide_once, parameter_oids, patterns)
        columns = [(column.name, column.type_name) for column in stage.columns]
        files = file_plan(guarded.rewritten, catalog, columns, oids)
    except Fault:
        return None  # the other way finds the same fault, in words about the statement itself
    if files.direct is None:
        return None
    remaining = guard(
        bind(whole.remaining, _resolver_of_stages(resolve, [stage])),
        Fences(),
        lambda key: _all_of(stage, [*map(decide_once, stage.keys)]),
        parameter_count=len(parameter_oids),
    )
    part = Part(guarded, tree.print_tree(stage.query), stage.table, stage.columns, files=files)
    return Guarded(verify(remaining), MERGE, (part,))


def _resolver_of_stages(resolve: Resolve, stages: Sequence[Stage]) -> Resolve:
    tables = {stage.table: stage.relation for stage in stages}

    def resolve_stage(schema: str, name: str) -> VisibleRelation | None:
        # No client could name them: the statement was bound once without them.
        return tables.get(name) if schema == MERGE_SCHEMA else resolve(schema, name)

    return resolve_stage


def _all_of(stage: Stage, read: Sequence[RelationDecision]) -> RelationDecision:
    """All that a stage brought may be seen; the caps of what it read hold for the whole answer."""
    rows = [one.row_limit for one in read if one.row_limit is not None]
    sizes = [one.byte_limit for one in read if one.byte_limit is not None]
    return RelationDecision(
        stage.relation.relation.key,
        tuple(ColumnDecision(column.name, None, None, None) for column in stage.columns),
        "true",
        frozenset(),
        (),
        row_limit=min(rows, default=None),
        byte_limit=min(sizes, default=None),
    )


# record and record[]: what `composite = $1` makes of a parameter. No value of them can be sent.
_NEVER_READ = frozenset({2249, 2287})


def _check_parameters(oids: Sequence[int]) -> None:
    """Declared types are under the allow-list like written ones.

    A value of type regclass, regrole or aclitem is looked up by the source when it arrives, and the
    answer tells whether that name exists there. Raises: DeniedFault.
    """
    for number, oid in enumerate(oids, 1):
        if oid in _NEVER_READ or not 0 < oid < FIRST_OWN_OID:
            continue
        if not CLASSIFICATION.type_by_oid(oid).is_allowed:
            raise DeniedFault(
                f"permission denied for the type of parameter ${number}",
                hint="Give it a type of data, such as text.",
            )


def text_to_describe(classified: Classified) -> str:
    """What the shadow is asked to describe: the client's own text, unless that holds more than the
    query (COPY), or XML that the shadow can only type in another form."""
    has_stand_ins = needs_stand_ins(classified.query)
    if classified.copy is None and not has_stand_ins:
        return classified.statement.text
    node = with_stand_ins(classified.query) if has_stand_ins else tree.copy(classified.query)
    make_printable(node)
    return tree.print_tree(node)


def catalog_sql(classified: Classified, facts: SessionFacts) -> str:
    """The text of a CATALOG statement for the shadow: reviewed, redirected and printed, never
    relayed."""
    node = tree.copy(classified.query)
    settle(node, facts, {}, is_catalog=True)
    redirected = route.redirect(node, facts.user)
    text = tree.print_tree(redirected)
    again = tree.parse_tree(text).stmts
    if len(again) != 1 or not tree.same_tree(tree.inner(again[0].stmt), redirected):
        raise InternalFault("the printed statement reads back as another one")
    return text


def local_names(statement: Statement, database: str) -> Statement:
    """The statement with `database.schema.name` shortened to `schema.name`.

    The shadow's databases have names of their own, so it would refuse these. For a statement that
    was judged (`Classified.names_database`). Raises: UnsupportedFault (0A000) for another database,
    in PostgreSQL's words.
    """
    node = tree.copy(statement.node)
    for message in tree.walk(node):
        if message.DESCRIPTOR.name == "RangeVar" and message.catalogname:
            _demand_database(message.catalogname, message.schemaname, message.relname, database)
            message.ClearField("catalogname")
        elif message.DESCRIPTOR.name == "ColumnRef" and len(message.fields) == 4:
            catalog, schema, name, _ = tree.names(message.fields)
            _demand_database(catalog, schema, name, database)
            del message.fields[0]
    if statement.kind is Kind.COPY_TO:  # its query is printed where it is described (`text_of`)
        return replace(statement, node=node)
    return replace(statement, text=tree.print_tree(node), node=node)


def _demand_database(catalog: str, schema: str, name: str, database: str) -> None:
    if catalog != database:
        raise UnsupportedFault(
            f'cross-database references are not implemented: "{catalog}.{schema}.{name}"'
        )


def with_suggestion(
    fault: Fault, statement: Statement, catalog: ClassCatalog, search_path: Sequence[str]
) -> Fault:
    """Add what an unknown relation name may have meant, among those that this class sees (I7)."""
    if statement.node is not None and needs_stand_ins(statement.node):
        fault.position = None  # it points into the text that was described
    if fault.sqlstate != "42P01" or fault.hint or statement.node is None:
        return fault
    for base in base_relations(statement.node):
        schema = base.schemaname or None
        if catalog.resolve(schema, base.relname, search_path) is None:
            meant = catalog.suggest(schema, base.relname, search_path)
            if meant is not None:
                fault.hint = f'Perhaps you meant "{meant}".'
                break
    return fault


def resolver(
    catalog: ClassCatalog, search_path: Sequence[str], database: str
) -> Callable[[str, str], VisibleRelation | None]:
    """Relation names as this session means them: qualified, or by its virtual search path."""

    def resolve(schema: str, name: str) -> VisibleRelation | None:
        return catalog.resolve(schema or None, name, search_path)

    return resolve


def type_schemas(catalog: ClassCatalog) -> Mapping[str, str]:
    """Where the types outside pg_catalog live that this class may name, by type name."""
    trusted = {extension.name for extension in catalog.extensions}
    return {
        definition.name: definition.schema
        for by_oid in catalog.types.values()
        for definition in by_oid.values()
        if not definition.is_row_type  # as a cast it would bring a table's hidden columns
        # Of a trusted extension, only what is listed.
        and (definition.extension not in trusted or CLASSIFICATION.type(definition.name).is_allowed)
    }


def claim_text(decision: RelationDecision, name: str, value: object) -> str | None:
    """A claim's value as Postgres text for a typed literal."""
    return to_text(value, decision.claim_types[name])  # type: ignore[arg-type]
