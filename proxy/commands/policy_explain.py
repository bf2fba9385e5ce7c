"""`sallyport policy explain`: what one person gets for one statement, and why. Runs nothing.

The decision is made by the gate's own decider over a shadow of its own, so that the SQL shown here
is the SQL that a source would get. This file must not know how it decides.

For operators: it names rules, filters and columns that the person may not know exist.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from policies.decide import PolicySet
from policies.errors import PolicyLoadError
from policies.identity import Identity
from policies.load import load as load_policy
from policies.model import RelationKey
from policies.record import Explanation, explain
from proxy.assembly import session_defaults, session_limits
from proxy.catalog.shadow import Shadow, shadow_cluster
from proxy.catalog.virtual import CatalogError, SourceCatalog
from proxy.commands.live import look_at_sources
from proxy.commands.looking import configuration as configuration_of
from proxy.commands.mention import column_names, mentioned
from proxy.commands.outcome import EXIT_OK, EXIT_PROBLEMS, CommandError, give, give_json, tell
from proxy.commands.somebody import identity as identity_of
from proxy.decider import PolicyDecider
from proxy.decision import Decided
from proxy.demo.terminal import Progress
from proxy.estate import Estate
from proxy.extensions import allow, trusted_extensions
from proxy.faults import Fault
from proxy.runtime import log
from proxy.runtime.config import Configuration
from proxy.runtime.embedded import ClusterError
from proxy.session import Session
from proxy.settings import Settings
from proxy.shadow_major import chosen
from proxy.sql.classify import classify
from proxy.sql.parse import Kind, Statement, parse
from proxy.sql.tree import copy

DECIDED = (Kind.QUERY, Kind.COPY_TO, Kind.EXPLAIN_POLICY, Kind.WRITE)
"""Everything else is the gate's own conversation, in which no policy has a say."""

UNDEFINED_TABLE = "42P01"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of the statement: `decided`, or the `fault` that the client would be told."""

    decided: Decided | None
    fault: Fault | None
    relations: tuple[Explanation, ...]
    remarks: tuple[str, ...]


def run(arguments: argparse.Namespace) -> int:
    """Explain. Returns 1 when the statement is refused. Raises CommandError when nothing can be
    said."""
    log.configure("error", "console")
    configuration = configuration_of(arguments)
    try:
        policy, _ = load_policy(configuration.policies)
    except PolicyLoadError as error:
        raise CommandError(str(error), EXIT_PROBLEMS) from error
    who = identity_of(arguments, policy.mapping, time.time())
    statement = _statement(arguments.statement)
    try:
        answer = asyncio.run(_answer(configuration, policy, who, statement))
    except (ClusterError, CatalogError) as error:
        raise CommandError(str(error), EXIT_PROBLEMS) from error
    if arguments.json:
        give_json(_as_json(policy, who, answer))
    else:
        _show(policy, who, answer)
    return EXIT_OK if answer.fault is None else EXIT_PROBLEMS


def _statement(text: str) -> Statement:
    """The one statement. Raises CommandError for text that is none."""
    try:
        statements = parse(text)
    except Fault as fault:
        at = f" at character {fault.position}" if fault.position else ""
        raise CommandError(f"not SQL: {fault.message}{at}") from fault
    if len(statements) != 1 or statements[0].kind is Kind.EMPTY:
        raise CommandError("exactly one statement is needed")
    if statements[0].kind not in DECIDED:
        raise CommandError("the gate answers this statement itself, it reads no table")
    return statements[0]


async def _answer(
    configuration: Configuration, policy: PolicySet, who: Identity, statement: Statement
) -> Answer:
    progress = Progress(sys.stderr)
    allow(trusted_extensions(configuration))
    views = await look_at_sources(configuration, (), progress)
    for view in views:
        for failure in view.failures:
            tell(f"source {view.name}: {failure}")
    catalogs = tuple(view.catalog for view in views if view.catalog is not None)
    if not catalogs:
        raise CommandError("no source could be read", EXIT_PROBLEMS)
    estate = Estate(policy, catalogs)
    try:
        decided = await _decide(configuration, estate, who, statement, progress)
    except Fault as fault:
        return _refused(estate, who, statement, fault)
    keys = [RelationKey(one.source, one.schema, one.name) for one in decided.accesses]
    return Answer(decided, None, _explanations(policy, catalogs, who, keys), ())


async def _decide(
    configuration: Configuration,
    estate: Estate,
    who: Identity,
    statement: Statement,
    progress: Progress,
) -> Decided:
    """As a session of `who` would have it decided. Raises the Fault that it would be told."""
    # What the allow-list refuses needs no shadow; the decider will ask again. It may change a tree.
    classify(replace(statement, node=copy(statement.node)))
    database = configuration.database
    with tempfile.TemporaryDirectory(prefix="sallyport-explain-") as directory:
        majors = [one.server_version // 10_000 for one in estate.catalogs]
        cluster = shadow_cluster(Path(directory) / "shadow", chosen(configuration.shadow, majors))
        try:
            with progress.step("shadow Postgres"):
                await cluster.start()
                shadow = Shadow(cluster, database)
                await shadow.start()
            session = Session(
                identity=who,
                database=database,
                user=who.subject,
                peer="policy explain",
                limits=session_limits(configuration),
                settings=Settings(
                    {**shadow.facts, "session_authorization": who.subject},
                    session_defaults(configuration),
                ),
            )
            decider = PolicyDecider(lambda: estate, shadow, server_version=shadow.server_version)
            try:
                return await decider.decide(session, statement, ())
            finally:
                await shadow.close()
        finally:
            await cluster.stop()


def _refused(estate: Estate, who: Identity, statement: Statement, fault: Fault) -> Answer:
    """Why: every table that the statement names, and what is in no source."""
    found = mentioned(statement, estate.catalogs)
    keys = found.keys
    explanations = _explanations(estate.policy, estate.catalogs, who, keys)
    live = {name for catalog in estate.catalogs for key in keys for name in _live(catalog, key)}
    remarks = [f"{name}: no source has a table of this name" for name in found.unknown]
    if fault.sqlstate == UNDEFINED_TABLE:
        remarks += [
            f"{key.name}: its schema is not on the search path, write {key.schema}.{key.name}"
            for key in found.bare
        ]
    remarks += [
        f"{name}: no table named here has a column of this name"
        for name in sorted(column_names(statement) - live)
        if keys and name in fault.message
    ]
    return Answer(None, fault, explanations, tuple(remarks))


def _explanations(
    policy: PolicySet, catalogs: Sequence[SourceCatalog], who: Identity, keys: Sequence[RelationKey]
) -> tuple[Explanation, ...]:
    now = time.time()
    return tuple(
        explain(policy, who, key, now, [name for one in catalogs for name in _live(one, key)])
        for key in dict.fromkeys(keys)
    )


def _live(catalog: SourceCatalog, key: RelationKey) -> list[str]:
    relation = catalog.relations.get(key)
    return [] if relation is None else [column.name for column in relation.columns]


def _show(policy: PolicySet, who: Identity, answer: Answer) -> None:
    roles = ", ".join(sorted(who.roles)) or "no role"
    give(f"{who.subject} ({roles}), policy {policy.version[:12]}")
    if answer.fault is not None:
        give(f"\nrefused with {answer.fault.sqlstate}: {answer.fault.message}")
        for label, text in (("detail", answer.fault.detail), ("hint", answer.fault.hint)):
            if text:
                give(f"  {label}: {text}")
    for one in answer.relations:
        give("")
        for line in one.lines():
            give(line)
    for remark in answer.remarks:
        give(f"\n{remark}")
    if answer.decided is not None:
        where = answer.decided.source
        give(f"\nSQL for source {where}:" if where else "\nanswered from the visible catalog:")
        give(answer.decided.guarded_sql)


def _as_json(policy: PolicySet, who: Identity, answer: Answer) -> dict[str, object]:
    fault = answer.fault
    return {
        "subject": who.subject,
        "actor": who.actor,
        "roles": sorted(who.roles),
        "policy_version": policy.version,
        "refused": fault
        and {
            "sqlstate": fault.sqlstate,
            "message": fault.message,
            "detail": fault.detail,
            "hint": fault.hint,
            "position": fault.position,
        },
        "source": answer.decided and answer.decided.source,
        "guarded_sql": answer.decided and answer.decided.guarded_sql,
        "relations": [one.to_json() for one in answer.relations],
        "remarks": list(answer.remarks),
    }
