"""How a statement is decided: judged, described on the shadow, guarded, verified; then planned.

The order is the security argument: what is described has passed the allow-list, what is guarded has
been described, and a fragment is made from a verified statement only.

INVARIANTS: a cached decision carries no other person's verdict (pitfall 10): its key holds roles,
policy, catalog, search path and, where the text could tell them, the session's own facts; claim
values enter at `runnable` only, where presence and time are checked on every use (I5).

This file must not know the client's protocol, sockets or how a source runs a fragment.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from policies.claims import ClaimValue
from proxy import explain, fragments
from proxy.beside import Beside
from proxy.catalog.virtual import ClassCatalog
from proxy.counters import Counters
from proxy.decision import Decided, Runnable, Shadow, Standing, Target
from proxy.estate import CurrentEstate, Estate, told_to_the_operator
from proxy.faults import Fault, InternalFault, SourceFault, UnsupportedFault
from proxy.policy_answers import decision_of, literals_of
from proxy.recode import Recoder, recoder
from proxy.record import accesses
from proxy.runtime.audit import RelationAccess
from proxy.session import Session
from proxy.sources.base import Arguments
from proxy.sql import pipeline
from proxy.sql.classify import Classified, Route, classify
from proxy.sql.identity import SessionFacts
from proxy.sql.parse import Kind, Statement
from proxy.sql.plan import copy_text
from proxy.sql.split import MERGE
from proxy.sql.template import lift, with_text
from proxy.wire.backend import FieldDescription
from proxy.wire.batch import RowBatch

CACHED_MAX = 2_000
"""Decisions of one worker; each holds a tree and texts, some 20 kB for a join of three tables."""

DATA_EXCEPTION = "22"  # a class of SQLSTATEs (PostgreSQL documentation, appendix A)

CACHED_TEXT_CHARACTERS_MAX = 16_384  # longer texts are generated and rarely repeat

CHANGES_MAX = 5
"""Changes of policy or schema, one while each attempt to decide a statement was under way."""

UNKNOWN_NAMES = frozenset({"42883", "42704"})  # undefined function, undefined object

MISUNDERSTOOD = frozenset({"42601", "42703", "42803", "42804", "42846", "42883", "42704", "42702"})
"""What a source says of guarded SQL that it reads otherwise than the shadow read the client's."""

# Names whose functions and keywords are replaced by facts of the session (proxy/sql/identity.py);
# an identifier may also be spelled with Unicode escapes. Wider than needed: a false match only
# costs a shared cache entry.
_TELLS_FACTS = re.compile(
    r"user|role|catalog|schema|version|pid|inet|encoding|database|getpg|recovery|setting|u&", re.I
)


@dataclass(frozen=True, slots=True)
class _Decided:
    """Implements `decision.Decided`. `guarded` is None for the catalog route."""

    statement: Statement
    target: Target
    source: str
    parameter_oids: tuple[int, ...]
    fields: tuple[FieldDescription, ...] | None
    revision: str
    guarded_sql: str
    accesses: tuple[RelationAccess, ...]
    catalog_key: str
    search_path: tuple[str, ...]
    classified: Classified
    source_oids: tuple[int, ...] = ()
    part_oids: tuple[tuple[int, ...], ...] = ()
    result_oids: tuple[int, ...] | None = None
    guarded: pipeline.Guarded | None = None
    recoder: Recoder | None = None
    valid_until: float | None = None
    lifted: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class _Place:
    """For whom and under what a statement is decided."""

    session: Session
    estate: Estate
    catalog: ClassCatalog
    facts: SessionFacts


class PolicyDecider:
    """Implements `decision.Decider`. `clock` gives unix seconds."""

    def __init__(
        self,
        estate: CurrentEstate,
        shadow: Shadow,
        *,
        server_version: str,
        clock: Callable[[], float] = time.time,
        counters: Counters | None = None,
    ) -> None:
        self._estate = estate
        self._shadow = shadow
        self._server_version = server_version
        self._clock = clock
        self._counters = counters or Counters()
        self._beside = Beside()
        # None: a template that cannot be decided as one, though its statements may be.
        self._cache: OrderedDict[tuple[object, ...], _Decided | None] = OrderedDict()

    @property
    def revision(self) -> str:
        """The policy in force now."""
        return self._estate().policy.version

    async def decide(
        self, session: Session, statement: Statement, parameter_oids: tuple[int, ...]
    ) -> Decided:
        """See `decision.Decider`. Once more if policy or schema change while the shadow works."""
        for _ in range(CHANGES_MAX):
            estate = self._estate()
            with told_to_the_operator():
                decided = await self._decide_under(estate, session, statement, parameter_oids)
            if self._estate().revision == estate.revision:
                return decided
        raise Fault("policy and schemas change faster than statements", sqlstate="40001")

    async def _decide_under(
        self,
        estate: Estate,
        session: Session,
        statement: Statement,
        parameter_oids: tuple[int, ...],
    ) -> _Decided:
        catalog = estate.class_of(session.identity.roles, session.identity.sources)
        facts = self._facts(session, catalog)
        key = self._cache_key(session, estate, catalog, facts, statement, parameter_oids)
        self._counters.decided(is_remembered=(found := self._find(key)) is not None)
        if found is not None:
            # The same text may stand elsewhere in another query string: positions follow it.
            return replace(found, statement=statement) if found.lifted else found
        place = _Place(session, estate, catalog, facts)
        templated = await self._decide_template(place, statement, parameter_oids)
        if templated is not None:
            self._keep(key, templated)
            return templated
        try:
            decided = await self._decide(place, statement, parameter_oids)
        except Fault as fault:
            # The same fault goes on: its cause is the reason that auditors read.
            pipeline.with_suggestion(fault, statement, catalog, facts.schemas)
            raise
        self._keep(key, decided)
        return decided

    def _keep(self, key: tuple[object, ...] | None, decided: _Decided | None) -> None:
        if key is not None:
            self._cache[key] = decided
            while len(self._cache) > CACHED_MAX:
                self._cache.popitem(last=False)

    async def _decide_template(
        self, place: _Place, statement: Statement, parameter_oids: tuple[int, ...]
    ) -> _Decided | None:
        """The decision of the statement's template with its own values, None where it has none.

        Whatever a template is refused for, the statement itself is then decided and its fault told.
        """
        is_short = len(statement.text) <= CACHED_TEXT_CHARACTERS_MAX
        if statement.kind is not Kind.QUERY or parameter_oids or not is_short:
            return None
        template = lift(statement)
        if template is None:
            return None
        roles = place.estate.policy.relevant_roles(place.session.identity.roles)
        # The facts are part of the key whole: the template's text is not looked through for them.
        key = (template.key, roles, place.estate.revision, place.catalog.key, place.facts)
        if key in self._cache and self._cache[key] is None:
            return None
        found = self._find(key)
        if found is None:
            try:
                found = await self._decide(place, with_text(template), template.oids)
            except Fault:
                self._keep(key, None)
                return None
            if found.target is not Target.SOURCE:
                self._keep(key, None)
                return None
            found = replace(found, parameter_oids=())
            self._keep(key, found)
        return replace(found, statement=statement, lifted=template.values)

    def _find(self, key: tuple[object, ...] | None) -> _Decided | None:
        found = None if key is None else self._cache.get(key)
        if found is None or key is None:
            return None
        if found.valid_until is not None and self._clock() >= found.valid_until:
            del self._cache[key]
            return None
        self._cache.move_to_end(key)
        return found

    def _cache_key(
        self,
        session: Session,
        estate: Estate,
        catalog: ClassCatalog,
        facts: SessionFacts,
        statement: Statement,
        parameter_oids: tuple[int, ...],
    ) -> tuple[object, ...] | None:
        """None for what is not cached: COPY holds claim values as literals."""
        if statement.kind is not Kind.QUERY or len(statement.text) > CACHED_TEXT_CHARACTERS_MAX:
            return None
        told = facts if _TELLS_FACTS.search(statement.text) else facts.schemas
        # Roles decide masks and filters even where the visible schema is the same.
        roles = estate.policy.relevant_roles(session.identity.roles)
        return (statement.text, parameter_oids, roles, estate.revision, catalog.key, told)

    async def _decide(
        self, place: _Place, statement: Statement, parameter_oids: tuple[int, ...]
    ) -> _Decided:
        session, estate, catalog, facts = place.session, place.estate, place.catalog, place.facts
        classified = classify(statement)
        if classified.names_database:
            statement = pipeline.local_names(statement, session.database)
            classified = classify(statement)
        if classified.route is Route.CATALOG:
            return await self._decide_catalog(estate, catalog, facts, classified, parameter_oids)
        shadow = await self._shadow.class_for(catalog)
        text = pipeline.text_to_describe(classified)
        described = await shadow.describe(text, parameter_oids, facts.schemas)
        now = self._clock()
        rewrite = partial(
            pipeline.rewrite,
            classified,
            catalog,
            lambda key: decision_of(estate, session, key, now),
            facts=facts,
            parameter_oids=described.parameter_oids,
            claim_literals=literals_of(estate, session) if classified.copy else None,
            column_count=None if described.fields is None else len(described.fields),
        )
        try:
            is_heavy = pipeline.is_heavy(classified, catalog, facts.schemas)
            guarded = await self._beside.run(rewrite) if is_heavy else rewrite()
        except Fault as fault:
            told = _of_a_known_name(fault)
            if told is fault:
                raise
            raise told from fault
        decisions = [one.decision for one in guarded.guards]
        ends = [one.valid_until for one in decisions if one.valid_until is not None]
        is_explain = statement.kind is Kind.EXPLAIN_POLICY
        source = guarded.source or self._any_source(estate)
        oids = await shadow.oids()
        return _Decided(
            statement=statement,
            target=Target.GATE if is_explain else Target.SOURCE,
            source=source,
            source_oids=tuple(oids.source_oid(source, oid) for oid in described.parameter_oids),
            part_oids=fragments.part_oids(guarded, oids, described.parameter_oids),
            parameter_oids=described.parameter_oids,
            result_oids=tuple(
                oids.result_oid(source, one.type_oid) for one in described.fields or ()
            ),
            fields=explain.FIELDS if is_explain else described.fields,
            revision=estate.revision,
            guarded_sql=guarded.sql,
            accesses=accesses(guarded),
            catalog_key=catalog.key,
            search_path=facts.schemas,
            classified=classified,
            guarded=guarded,
            recoder=None
            if guarded.parts
            else recoder(catalog, oids, source, described.fields or (), described.parameter_oids),
            valid_until=min(ends, default=None),
        )

    async def _decide_catalog(
        self,
        estate: Estate,
        catalog: ClassCatalog,
        facts: SessionFacts,
        classified: Classified,
        parameter_oids: tuple[int, ...],
    ) -> _Decided:
        sql = pipeline.catalog_sql(classified, facts)
        runs = sql if classified.copy is None else copy_text(sql, classified.copy)
        shadow = await self._shadow.class_for(catalog)
        described = await shadow.describe(sql, parameter_oids, facts.schemas)
        return _Decided(
            statement=classified.statement,
            target=Target.SHADOW,
            source="",
            parameter_oids=described.parameter_oids,
            fields=described.fields,
            revision=estate.revision,
            guarded_sql=runs,
            accesses=(),
            catalog_key=catalog.key,
            search_path=facts.schemas,
            classified=classified,
        )

    def _any_source(self, estate: Estate) -> str:
        """Where a statement without relations runs: not in a folder. Raises SourceFault."""
        if not estate.catalogs:
            raise SourceFault("no source has been reachable yet", sqlstate="08006")
        return next((one.source for one in estate.catalogs if not one.is_files), MERGE)

    def _facts(self, session: Session, catalog: ClassCatalog) -> SessionFacts:
        path = tuple(filter(catalog.schemas.__contains__, session.settings.search_path()))
        return SessionFacts(
            user=session.identity.subject,
            database=session.database,
            schemas=path,
            backend_pid=session.number,
            server_version=self._server_version,
        )

    # Use

    def is_current(self, session: Session, decided: Decided) -> bool:
        """See `decision.Decider`."""
        assert isinstance(decided, _Decided), "made by this class"
        estate = self._estate()
        if decided.revision != estate.revision:
            return False
        return decided.valid_until is None or self._clock() < decided.valid_until

    def runnable(self, session: Session, decided: Decided) -> Runnable:
        """See `decision.Decider`."""
        assert isinstance(decided, _Decided), "made by this class"
        if decided.guarded is None:
            return Runnable(shadow_sql=decided.guarded_sql)
        estate = self._estate()
        now = self._clock()
        for guarded in decided.guarded.guards:
            if decision_of(estate, session, guarded.key, now) != guarded.decision:
                raise InternalFault("a cached decision is not the one in force")
        if decided.target is Target.GATE:
            return Runnable(rows=explain.rows(decided.guarded, estate.policy.version))

        def claim(name: str) -> ClaimValue:
            return estate.policy.claim_value(session.identity, name)

        return Runnable(
            fragment=fragments.whole(
                decided.guarded,
                decided.source,
                claim,
                copy=decided.classified.copy,
                parameter_oids=decided.source_oids,
                result_oids=decided.result_oids,
            ),
            pattern_parameters=decided.guarded.rewritten.pattern_parameters,
            # What remains of a statement over several sources sees visible rows only.
            is_text_visible=bool(decided.guarded.parts),
            arguments=Arguments(decided.lifted) if decided.lifted else None,
            recoder=decided.recoder,
            loads=fragments.loads(decided.guarded, claim, decided.part_oids),
            catalog=estate.class_of(session.identity.roles, session.identity.sources)
            if decided.source == MERGE
            else None,
        )

    @property
    def epoch(self) -> object:
        """See `decision.Decider`."""
        return self._estate()

    def standing(self, session: Session, decided: Decided) -> Standing | None:
        """See `decision.Decider`."""
        assert isinstance(decided, _Decided), "made by this class"
        estate = self._estate()
        if decided.target is not Target.SOURCE or not self.is_current(session, decided):
            return None
        runnable = self.runnable(session, decided)
        if runnable.fragment is None or runnable.is_merged:
            return None
        if runnable.pattern_parameters or runnable.is_text_visible:
            return None
        # A decision changes with the person, the policy and the time: the first is fixed.
        ends = (session.identity.expires_at, decided.valid_until)
        until = min(end for end in ends if end is not None)
        is_text_only = runnable.recoder is not None
        return Standing(estate, until, runnable.fragment, runnable.arguments, is_text_only)

    def is_templated(self, decided: Decided) -> bool:
        """See `decision.Decider`."""
        assert isinstance(decided, _Decided), "made by this class"
        return bool(decided.lifted)

    def varied(self, decided: Decided, statement: Statement, values: tuple[bytes, ...]) -> Decided:
        """See `decision.Decider`."""
        assert isinstance(decided, _Decided), "made by this class"
        return replace(decided, statement=statement, lifted=values)

    async def clarified(self, session: Session, decided: Decided, fault: Fault) -> Fault:
        """See `decision.Decider`.

        A literal that was lifted into a value is checked by the source when it is bound; asked
        about the client's own text, the shadow tells which literal is wrong, and where.
        """
        assert isinstance(decided, _Decided), "made by this class"
        if decided.target is Target.SHADOW:
            return fault  # it speaks of what is visible, in Postgres' own words
        if fault.sqlstate in MISUNDERSTOOD:
            return UnsupportedFault("this statement is not supported in its guarded form")
        if not decided.lifted or fault.sqlstate[:2] != DATA_EXCEPTION:
            return fault
        catalog = self._estate().class_of(session.identity.roles, session.identity.sources)
        try:
            shadow = await self._shadow.class_for(catalog)
            await shadow.describe(decided.statement.text, (), decided.search_path)
        except Fault as told:
            return told.shifted(decided.statement.offset)
        return fault

    async def answer_catalog(
        self, session: Session, decided: Decided, arguments: Arguments, formats: tuple[int, ...]
    ) -> list[RowBatch]:
        """See `decision.Decider`."""
        assert isinstance(decided, _Decided), "made by this class"
        with told_to_the_operator():
            catalog = self._estate().class_of(session.identity.roles, session.identity.sources)
            shadow = await self._shadow.class_for(catalog)
            answer = await shadow.run(
                decided.guarded_sql,
                arguments.values,
                arguments.formats,
                formats,
                parameter_oids=decided.parameter_oids,
                search_path=decided.search_path,
                principal=session.identity.subject,
                is_copy=decided.classified.copy is not None,
            )
        return list(answer.batches)


def _of_a_known_name(fault: Fault) -> Fault:
    """What to tell when the shadow knew a function or type that the guard does not.

    "Does not exist" would be wrong, and mislead an honest client.
    """
    if fault.sqlstate not in UNKNOWN_NAMES:
        return fault
    return UnsupportedFault(
        "this use of a name is not supported", detail=fault.message, position=fault.position
    )
