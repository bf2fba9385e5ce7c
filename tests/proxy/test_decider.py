"""Decisions and their cache: what is shared, between whom, for how long, and what never is."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from policies.decide import PolicySet
from policies.window import Window
from proxy import decider as module
from proxy.decision import Target
from proxy.estate import Estate
from proxy.faults import DeniedFault, Fault, InternalFault, NotFoundFault, SourceFault
from proxy.sources.base import Arguments
from proxy.sql.allow import CLASSIFICATION
from proxy.sql.classification import Kind, classification
from proxy.sql.identity import SessionFacts, answer
from proxy.wire.batch import RowBatch
from tests.proxy import shop
from tests.proxy.shop import ALICE, BOB, SUE, Stage

ORDERS = shop.ORDERS_QUERY


def rewindowed(window: Window) -> PolicySet:
    """The shop's policy, its grant by region open at certain times only."""
    usual = shop.policy()
    tables = dict(usual.tables)
    table = tables[shop.ORDERS.key]
    grants = tuple(
        replace(grant, window=window) if grant.name == "by-region" else grant
        for grant in table.grants
    )
    tables[shop.ORDERS.key] = replace(table, grants=grants)
    return PolicySet(
        version="windowed", mapping=usual.mapping, roles=dict(usual.roles), tables=tables
    )


@pytest.fixture
def stage() -> Stage:
    return Stage()


# What a decision says


async def test_a_guarded_statement_is_for_the_source(stage: Stage) -> None:
    decided = await stage.decide(ORDERS)

    assert decided.target is Target.SOURCE
    assert decided.source == "main"
    assert decided.revision == stage.estate.revision
    assert "'[withheld]'" in decided.guarded_sql
    assert "hidden" not in decided.guarded_sql
    (access,) = decided.accesses
    assert (access.source, access.schema, access.name) == ("main", "shop", "orders")
    assert {"id", "note"} <= set(access.columns) <= set(shop.VISIBLE)
    assert access.masks == {"note": "withheld"}


async def test_fields_and_parameters_are_the_shadows(stage: Stage) -> None:
    decided = await stage.decide("SELECT id FROM shop.orders WHERE id = $1", oids=(23,))

    assert decided.parameter_oids == (23,)
    assert [field.name for field in decided.fields or ()] == ["it"]


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM shop.secrets", "SELECT hidden FROM shop.orders", "SELECT * FROM nothing"]
)
async def test_what_a_class_does_not_see_does_not_exist(stage: Stage, sql: str) -> None:
    with pytest.raises(NotFoundFault):
        await stage.decide(sql)


async def test_an_unknown_table_is_suggested_from_the_visible_ones(stage: Stage) -> None:
    stage.shadow.fault = NotFoundFault('relation "shop.itms" does not exist')

    with pytest.raises(NotFoundFault) as caught:
        await stage.decide("SELECT * FROM shop.itms")
    assert caught.value.hint == 'Perhaps you meant "shop.items".'
    with pytest.raises(NotFoundFault) as caught:
        await stage.decide("SELECT * FROM shop.secret")
    assert "secrets" not in (caught.value.hint or "")


async def test_the_shadow_is_not_asked_about_what_is_forbidden(stage: Stage) -> None:
    with pytest.raises(Fault):
        await stage.decide("SELECT pg_read_file('/etc/passwd')")
    assert stage.shadow.described == []


async def test_a_source_that_was_never_read_is_down_not_a_crash(stage: Stage) -> None:
    stage.estate = Estate(stage.estate.policy, ())

    with pytest.raises(SourceFault) as caught:
        await stage.decide("SELECT 1")
    assert caught.value.sqlstate == "08006"


# The cache: shared where it may be, and only there


async def test_a_statement_is_decided_once(stage: Stage) -> None:
    assert await stage.decide(ORDERS) is await stage.decide(ORDERS)
    assert len(stage.shadow.described) == 1


async def test_people_of_one_role_share_text_and_never_claims(stage: Stage) -> None:
    assert await stage.is_shared(ORDERS, ALICE, SUE)

    decided = await stage.decide(ORDERS, SUE)
    assert stage.fragment(decided, ALICE).claim_values == (("emea",),)
    assert stage.fragment(decided, SUE).claim_values == (("apac",),)
    assert "emea" not in decided.guarded_sql


async def test_another_role_decides_anew(stage: Stage) -> None:
    assert not await stage.is_shared(ORDERS, ALICE, BOB)
    clear = await stage.decide(ORDERS, BOB)
    assert "withheld" not in clear.guarded_sql
    assert "withheld" in (await stage.decide(ORDERS, ALICE)).guarded_sql


@pytest.mark.parametrize("where", ["", " WHERE id = 5"])
async def test_roles_count_where_nothing_else_differs(where: str) -> None:
    stage = Stage(shop.policy(note_clear=True))
    analyst = shop.session(shop.identity("pat", "analyst"))
    auditor = shop.session(shop.identity("pat", "auditor"))
    keys = {stage.estate.class_of(who.identity.roles).key for who in (analyst, auditor)}
    assert len(keys) == 1, "the filter alone differs"

    assert not await stage.is_shared(ORDERS + where, analyst, auditor)
    all_rows = await stage.decide(ORDERS + where, auditor)
    assert stage.fragment(all_rows, auditor).claim_values == ()
    some = await stage.decide(ORDERS + where, analyst)
    assert stage.fragment(some, analyst).claim_values == (("emea",),)


@pytest.mark.parametrize("sql", [ORDERS, ORDERS + " WHERE id = 5"])
async def test_a_revision_counts_where_the_visible_schema_is_the_same(
    stage: Stage, sql: str
) -> None:
    first = await stage.decide(sql)
    stage.estate = Estate(shop.policy("v2"), stage.estate.catalogs)
    second = await stage.decide(sql)
    unseen = shop.with_column(shop.SECRETS, "code")
    stage.estate = Estate(stage.estate.policy, (shop.catalog(shop.ORDERS, shop.ITEMS, unseen),))
    third = await stage.decide(sql)

    assert len({one.revision for one in (first, second, third)}) == 3
    assert stage.decider.is_current(ALICE, third)


@pytest.mark.parametrize("sql", [ORDERS, ORDERS + " WHERE id = 5"])
async def test_a_new_policy_or_catalog_decides_anew(stage: Stage, sql: str) -> None:
    first = await stage.decide(sql)
    stage.estate = Estate(shop.policy("v2", note_clear=True), stage.estate.catalogs)
    second = await stage.decide(sql)
    changed = shop.catalog(shop.with_column(shop.ORDERS, "cost"))
    stage.estate = Estate(stage.estate.policy, (changed,))
    third = await stage.decide(sql)

    assert "withheld" in first.guarded_sql
    assert "withheld" not in second.guarded_sql
    assert len({one.revision for one in (first, second, third)}) == 3


@pytest.mark.parametrize("sql", ["SELECT id FROM orders", "SELECT id FROM orders WHERE id = 5"])
async def test_the_search_path_is_part_of_the_question(stage: Stage, sql: str) -> None:
    within = shop.session()
    within.settings.set("search_path", "shop", is_local=False)
    assert "shop.orders" in (await stage.decide(sql, within)).guarded_sql

    with pytest.raises(NotFoundFault):
        await stage.decide(sql, shop.session())


async def test_parameter_types_are_part_of_the_question(stage: Stage) -> None:
    sql = "SELECT id FROM shop.orders WHERE id = $1"
    assert (await stage.decide(sql, oids=(23,))).parameter_oids == (23,)
    assert (await stage.decide(sql, oids=(20,))).parameter_oids == (20,)


def identity_calls() -> list[str]:
    """Every spelling whose answer differs between two sessions."""
    here, there = (
        SessionFacts("alice", "shop", ("shop",), 7, "16.10"),
        SessionFacts("sue", "mart", ("mart",), 8, "17.1"),
    )
    names = classification().functions
    told = [
        f'pg_catalog."{name}"()'
        for name in sorted(names)
        if CLASSIFICATION.function(name, 0).kind is Kind.IDENTITY
        and answer(name, here) != answer(name, there)
    ]
    keywords = ["current_user", "session_user", "current_role", "user", "current_catalog"]
    return [*told, *keywords, "current_schema", "current_schemas(true)", 'U&"v\\0065rsion"()']


@pytest.mark.parametrize("call", identity_calls())
@pytest.mark.parametrize("where", ["", " FROM shop.orders WHERE id = 5"])
async def test_no_session_is_told_the_facts_of_another(call: str, where: str) -> None:
    other = shop.session(shop.identity("sue"), number=8)
    other.database = "mart"
    if "schema" in call:
        other.settings.set("search_path", "shop", is_local=False)
    stage = Stage()
    sql = f"SELECT {call}{where}"

    first = await stage.decide(sql, ALICE)
    second = await stage.decide(sql, other)

    # The version is the same for all sessions of one gate.
    is_common = "rsion" in call
    assert (first.guarded_sql == second.guarded_sql) is is_common
    assert (await stage.decide(sql, ALICE)).guarded_sql == first.guarded_sql


# What is not cached


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT id FROM shop.orders) TO STDOUT",
        "EXPLAIN POLICY SELECT id FROM shop.orders",
        f"SELECT id FROM shop.orders -- {'x' * module.CACHED_TEXT_CHARACTERS_MAX}",
    ],
)
async def test_decided_every_time(stage: Stage, sql: str) -> None:
    assert not await stage.is_shared(sql, ALICE, ALICE)


async def test_copy_holds_the_claims_of_its_own_session(stage: Stage) -> None:
    sql = "COPY (SELECT id FROM shop.orders) TO STDOUT"
    for who, region in ((ALICE, "emea"), (SUE, "apac")):
        fragment = stage.fragment(await stage.decide(sql, who), who)
        assert region in fragment.sql
        assert fragment.copy_format == "text"
        assert fragment.claim_values == ()


async def test_the_cache_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHED_MAX", 2)
    statements = [f"SELECT id AS c{number} FROM shop.orders" for number in range(3)]
    await stage.decide(statements[0])
    await stage.decide(statements[1])
    await stage.decide(statements[0])  # used again: the other one is now the oldest
    await stage.decide(statements[2])
    asked = len(stage.shadow.described)

    await stage.decide(statements[0])
    assert len(stage.shadow.described) == asked
    await stage.decide(statements[1])
    assert len(stage.shadow.described) == asked + 1


# Time


@pytest.mark.parametrize("sql", [ORDERS, f"{ORDERS} WHERE id = 5"])
async def test_a_decision_ends_with_its_window(sql: str) -> None:
    stage = Stage(rewindowed(Window(valid_until=shop.NOW + 60)))
    decided = await stage.decide(sql)
    assert "false" not in decided.guarded_sql
    assert stage.decider.is_current(ALICE, decided)

    stage.now = shop.NOW + 60
    assert not stage.decider.is_current(ALICE, decided)
    with pytest.raises((DeniedFault, InternalFault)):
        stage.decider.runnable(ALICE, decided)
    with pytest.raises(DeniedFault):
        await stage.decide(sql)


async def test_a_window_opens_without_a_reload() -> None:
    stage = Stage(rewindowed(Window(valid_from=shop.NOW + 60)))
    with pytest.raises(DeniedFault):
        await stage.decide(ORDERS)

    stage.now = shop.NOW + 60
    assert stage.fragment(await stage.decide(ORDERS)).claim_values == (("emea",),)


async def test_an_old_revision_is_not_current(stage: Stage) -> None:
    decided = await stage.decide(ORDERS)
    assert stage.decider.is_current(ALICE, decided)

    stage.estate = Estate(shop.policy("v2"), stage.estate.catalogs)
    assert not stage.decider.is_current(ALICE, decided)
    assert stage.decider.revision == "v2"


# Running


async def test_a_missing_claim_is_denied_though_another_may_run_it(stage: Stage) -> None:
    decided = await stage.decide(ORDERS)
    bare = shop.session(shop.identity("eve", unrelated="x"), number=9)

    with pytest.raises(DeniedFault) as caught:
        stage.decider.runnable(bare, decided)
    assert caught.value.message == "permission denied for table orders"
    assert "regions" in str(caught.value.__cause__), "for the audit log"
    with pytest.raises(DeniedFault):
        await stage.decide("SELECT region FROM shop.orders", bare)


async def test_an_empty_list_runs_and_finds_nothing(stage: Stage) -> None:
    nowhere = shop.session(shop.identity("eve", regions=()))

    decided = await stage.decide(ORDERS, nowhere)
    assert stage.fragment(decided, nowhere).claim_values == ((),)


async def test_an_expired_identity_runs_nothing(stage: Stage) -> None:
    decided = await stage.decide(ORDERS)
    late = shop.session(shop.identity(expires_at=shop.NOW))

    with pytest.raises(DeniedFault):
        stage.decider.runnable(late, decided)


async def test_a_decision_is_not_run_for_other_roles(stage: Stage) -> None:
    """The second lock behind the cache's key."""
    clear = await stage.decide(ORDERS, BOB)
    with pytest.raises(InternalFault):
        stage.decider.runnable(ALICE, clear)


async def test_types_of_the_source_go_by_its_own_numbers(stage: Stage) -> None:
    stage.shadow.type_oid = shop.SHADOW_MOOD_OID
    sql = "SELECT mood FROM shop.orders WHERE mood = $1 OR id = $2"
    decided = await stage.decide(sql, oids=(shop.SHADOW_MOOD_OID, 20))

    fragment = stage.fragment(decided)
    assert decided.parameter_oids == (shop.SHADOW_MOOD_OID, 20)
    assert fragment.parameter_oids == (shop.MOOD_OID, 20)
    assert fragment.result_oids == (shop.MOOD_OID,)


@pytest.mark.parametrize("oid", [25, 16_999])
async def test_stand_ins_of_the_shadow_are_not_demanded_of_the_source(
    stage: Stage, oid: int
) -> None:
    stage.shadow.type_oid = oid
    assert stage.fragment(await stage.decide(ORDERS)).result_oids == (0,)


async def test_patterns_of_the_client_are_named_for_checking(stage: Stage) -> None:
    decided = await stage.decide("SELECT id FROM shop.orders WHERE note LIKE $1", oids=(25,))
    assert stage.decider.runnable(ALICE, decided).pattern_parameters == {1}


async def test_explain_policy_is_the_gates_own_answer(stage: Stage) -> None:
    decided = await stage.decide(f"EXPLAIN POLICY {ORDERS}")
    runnable = stage.decider.runnable(ALICE, decided)

    assert decided.target is Target.GATE
    assert runnable.fragment is None
    lines = [line for (line,) in runnable.rows or ()]
    assert "  rules: by-region" in lines
    assert "  column note: masked by withheld" in lines
    assert not any("emea" in (line or "") for line in lines)


# The catalog


async def test_the_catalog_is_answered_by_the_shadow_alone(stage: Stage) -> None:
    decided = await stage.decide("SELECT relname FROM pg_class WHERE relname = $1", oids=(25,))
    runnable = stage.decider.runnable(ALICE, decided)

    assert decided.target is Target.SHADOW
    assert (decided.source, decided.accesses) == ("", ())
    assert runnable.fragment is None
    assert runnable.shadow_sql == decided.guarded_sql
    batches = await stage.decider.answer_catalog(ALICE, decided, Arguments((b"orders",)), ())
    assert batches == [RowBatch(0, b"")]
    (ran,) = stage.shadow.ran
    assert ran[:2] == (decided.guarded_sql, (b"orders",))


async def test_each_class_asks_its_own_shadow(stage: Stage) -> None:
    sql = "SELECT relname FROM pg_class"
    for who in (ALICE, BOB):
        await stage.decider.answer_catalog(who, await stage.decide(sql, who), Arguments(), ())

    expected = {stage.estate.class_of(who.identity.roles).key for who in (ALICE, BOB)}
    assert set(stage.shadow.classes) == expected
    assert len(expected) == 2


async def test_a_catalog_literal_is_not_a_template(stage: Stage) -> None:
    sql = "SELECT relname FROM pg_class WHERE relname = '{}'"
    for name in ("orders", "items"):
        decided = await stage.decide(sql.format(name))
        assert name in decided.guarded_sql
        assert stage.decider.runnable(ALICE, decided).arguments is None


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT relname FROM pg_class, shop.orders) TO STDOUT",
        "COPY pg_authid TO STDOUT",
        "SELECT * FROM pg_class, shop.orders",
        "SELECT * FROM pg_authid",
    ],
)
async def test_the_catalog_is_not_mixed_or_asked_for_secrets(stage: Stage, sql: str) -> None:
    with pytest.raises(Fault) as caught:
        await stage.decide(sql)
    assert caught.value.sqlstate in ("42501", "0A000")


# Large statements


@pytest.mark.parametrize(("count", "is_beside"), [(3, False), (3_000, True)])
async def test_a_large_statement_is_guarded_beside_the_loop(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, count: int, is_beside: bool
) -> None:
    threads = []
    rewrite = module.pipeline.rewrite

    def noting(*arguments: object, **named: object) -> object:
        threads.append(threading.current_thread())
        return rewrite(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(module.pipeline, "rewrite", noting)
    members = ", ".join(map(str, range(count)))
    decided = await stage.decide(f"SELECT id FROM shop.orders WHERE id IN ({members})")

    assert decided.target is Target.SOURCE
    assert [one is not threading.main_thread() for one in threads] == [is_beside]
