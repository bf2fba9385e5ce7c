"""From decisions to fragments: types as each source numbers them."""

from __future__ import annotations

import pytest

from proxy import fragments
from proxy.catalog.class_database import Oids
from proxy.faults import InternalFault
from proxy.sql.split import MERGE
from tests.proxy.sql import two_sources

OIDS = Oids(sources={("crm", 90_001): 20_001})


def test_parts_carry_the_clients_parameters_and_no_caps() -> None:
    sql = (
        "SELECT p.name FROM crm.people p JOIN sales.orders o ON o.person = p.id"
        " WHERE p.grade = $1 AND o.id = $2"
    )
    guarded = two_sources.guarded(sql, (90_001, 20))
    part_oids = fragments.part_oids(guarded, OIDS, (90_001, 20))
    assert set(part_oids) == {(20_001, 20), (25, 20)}
    loads = fragments.loads(guarded, lambda name: None, part_oids)
    assert {load.fragment.source for load in loads} == {"crm", "sales"}
    assert [load.fragment.row_limit for load in loads] == [None, None]
    assert [load.table for load in loads] == ["t1", "t2"]
    whole = fragments.whole(
        guarded,
        MERGE,
        lambda name: None,
        copy=None,
        parameter_oids=(0, 20),
        result_oids=(0,),
    )
    assert (whole.source, whole.row_limit) == (MERGE, 10)


def test_parameters_must_be_those_that_were_decided() -> None:
    guarded = two_sources.guarded("SELECT id FROM crm.people WHERE id = $1", (23,))
    with pytest.raises(InternalFault):
        fragments.whole(
            guarded,
            "crm",
            lambda name: None,
            copy=None,
            parameter_oids=(),
            result_oids=None,
        )
