"""Templates: one decision for statements that differ in compared values, each with its own."""

from __future__ import annotations

import pytest

from proxy.faults import Fault, SourceFault
from proxy.sources.base import Arguments
from proxy.sql.parse import parse
from tests.proxy import shop
from tests.proxy.shop import ALICE, BOB, Stage

ORDERS = shop.ORDERS_QUERY


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_statements_of_one_template_are_decided_once(stage: Stage) -> None:
    found = [await stage.decide(f"{ORDERS} WHERE id = {number}") for number in (5, 6, 7)]

    assert len(stage.shadow.described) == 1
    assert len({one.guarded_sql for one in found}) == 1
    values = [stage.decider.runnable(ALICE, one).arguments for one in found]
    assert values == [Arguments((b"5",)), Arguments((b"6",)), Arguments((b"7",))]
    # The client gave no parameters, so none are told or taken from it.
    assert {one.parameter_oids for one in found} == {()}


async def test_a_template_keeps_the_order_of_several_values(stage: Stage) -> None:
    sql = "SELECT id FROM shop.orders WHERE region = {!r} AND amount > {} AND id < {}"
    await stage.decide(sql.format("x", 1, 2))
    decided = await stage.decide(sql.format("it''s", 30, 40).replace('"', "'"))

    arguments = stage.decider.runnable(ALICE, decided).arguments
    fragment = stage.fragment(decided)
    assert arguments is not None
    assert arguments.values == (b"it's", b"30", b"40")
    assert len(fragment.parameter_oids) == 3
    assert fragment.claim_values == (("emea",),)


async def test_a_template_keeps_the_record_of_the_clients_own_text(stage: Stage) -> None:
    await stage.decide(f"{ORDERS} WHERE id = 5")
    text = f"{ORDERS}   WHERE id = 6"
    decided = await stage.decide(text)

    assert decided.statement.text == text  # type: ignore[attr-defined]
    assert "b'6'" not in repr(decided), "somebody's value is in no repr"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("SELECT id FROM shop.orders WHERE id = 5", "SELECT id FROM shop.orders WHERE id > 5"),
        ("SELECT id FROM shop.orders WHERE id = 5", "SELECT id FROM shop.items WHERE id = 5"),
        ("SELECT id FROM shop.orders WHERE id = 5", "SELECT id FROM shop.orders WHERE id = '5'"),
        ("SELECT 1 FROM shop.orders WHERE id = 5", "SELECT 2 FROM shop.orders WHERE id = 5"),
        (
            "SELECT id FROM shop.orders WHERE id = 5 LIMIT 1",
            "SELECT id FROM shop.orders WHERE id = 5 LIMIT 2",
        ),
        (
            "SELECT id AS a FROM shop.orders WHERE id = 5",
            "SELECT id AS b FROM shop.orders WHERE id = 5",
        ),
    ],
)
async def test_other_statements_are_other_templates(first: str, second: str, stage: Stage) -> None:
    one_decided, other = await stage.decide(first), await stage.decide(second)

    assert len(stage.shadow.described) == 2
    assert stage.fragment(one_decided) != stage.fragment(other)


async def test_a_template_of_one_role_is_not_anothers(stage: Stage) -> None:
    analyst = await stage.decide(f"{ORDERS} WHERE id = 5", ALICE)
    auditor = await stage.decide(f"{ORDERS} WHERE id = 6", BOB)

    assert "withheld" in analyst.guarded_sql
    assert "withheld" not in auditor.guarded_sql


async def test_a_template_that_is_refused_decides_the_statement_itself(stage: Stage) -> None:
    """What is wrong with a template may be right with its values: the client's text counts."""
    stage.shadow.fault, stage.shadow.refused = Fault("no operator", sqlstate="42883"), "$1"

    first = await stage.decide(f"{ORDERS} WHERE id = 5")
    asked = len(stage.shadow.described)
    second = await stage.decide(f"{ORDERS} WHERE id = 6")

    assert "= 5" in first.guarded_sql
    assert "= 6" in second.guarded_sql
    assert stage.decider.runnable(ALICE, second).arguments is None
    assert len(stage.shadow.described) == asked + 1, "the template is not tried again"


async def test_a_refusal_is_told_of_the_clients_own_text(stage: Stage) -> None:
    stage.shadow.fault = Fault("is wrong", sqlstate="42883", position=8)

    with pytest.raises(Fault) as caught:
        await stage.decide(f"{ORDERS} WHERE id = 5")
    assert caught.value is stage.shadow.fault
    assert stage.shadow.described[-1] == f"{ORDERS} WHERE id = 5"


async def test_which_literal_is_wrong_is_told_by_the_shadow(stage: Stage) -> None:
    (_, second) = parse(f"SELECT 1; {ORDERS} WHERE id = 'x'")
    decided = await stage.decider.decide(ALICE, second, ())
    plain = await stage.decide(ORDERS)
    stage.shadow.fault = Fault("invalid input syntax", sqlstate="22P02", position=43)

    told = await stage.decider.clarified(ALICE, decided, SourceFault("x", sqlstate="22P02"))
    assert told.position == 43 + second.offset
    other = SourceFault("x", sqlstate="57014")
    assert await stage.decider.clarified(ALICE, decided, other) is other
    of_data = SourceFault("x", sqlstate="22012")
    assert await stage.decider.clarified(ALICE, plain, of_data) is of_data


async def test_a_refusal_keeps_its_reason_for_the_audit_log(stage: Stage) -> None:
    bare = shop.session(shop.identity("eve", unrelated="x"), number=9)
    for sql in (ORDERS, f"{ORDERS} WHERE id = 5"):
        with pytest.raises(Fault) as caught:
            await stage.decide(sql, bare)
        assert "regions" in str(caught.value.__cause__)
