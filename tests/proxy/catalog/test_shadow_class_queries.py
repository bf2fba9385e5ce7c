"""Goal: what real clients ask of the catalog is answered, and tells nothing of what is hidden.

Method: 443 statements seen on the wire, redirected and printed as the gate does, asked of a class
that sees everything and of restricted ones; every byte of their answers is searched.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.catalog.shadow import Shadow
from proxy.catalog.shadow_class import ShadowClass
from proxy.catalog.virtual import SourceCatalog
from proxy.faults import Fault
from proxy.runtime.embedded import Cluster
from tests.proxy.catalog.conftest import everything, seeing
from tests.proxy.catalog.queries import Entry, ask, entries, oid_finder

ANSWERED_MIN = 442  # `\sf add_one` names a function, and sources' functions are not shown


async def finder(cluster: Cluster, asked: ShadowClass) -> Callable[[str], int]:
    oids = await asked.oids()
    assert oids.relations
    connection = await cluster.connect(asked._materialised.name)  # type: ignore[union-attr]
    found = await oid_finder(connection)
    await connection.close()
    return found


async def answered(
    asked: ShadowClass, oid_of: Callable[[str], int]
) -> tuple[dict[int, bytes], dict[Entry, Fault]]:
    answers: dict[int, bytes] = {}
    faults: dict[Entry, Fault] = {}
    for entry in entries():
        try:
            rows = await ask(asked, entry.with_oids(oid_of))
        except Fault as fault:
            faults[entry] = fault
        else:
            answers[entry.number] = b"".join(b.data for one in rows for b in one.batches)
    return answers, faults


async def test_clients_queries_are_answered(
    shadow: Shadow, cluster: Cluster, company: SourceCatalog
) -> None:
    asked = await shadow.class_for(everything(company))
    answers, faults = await answered(asked, await finder(cluster, asked))

    for entry, fault in faults.items():
        print(f"{entry.number} {entry.client}: {fault.sqlstate} {fault.message}")
    print(f"{len(answers)} of {len(entries())} catalog queries answered")
    assert len(entries()) == 443
    assert len(answers) >= ANSWERED_MIN
    told = b"".join(answers.values())
    for word in (b"customers", b"order_items", b"big_orders", b"mood", b"All customers", b"in EUR"):
        assert word in told


HIDDEN = (
    b"salar", b"ssn", b"emp_", b"hr", b"order", b"amount", b"notes", b"sku", b"mv", b"event",
    b"payload", b"mood", b"sad", b"addr", b"zip", b"balance", b"EUR", b"Sales", b"uid_key",
    b"masked for analysts", b"email", b"add_one", b"myseq", b"10.5", b"postgres@", b"/tmp/",
)  # fmt: skip


async def test_restricted_class_is_told_nothing_of_the_rest(
    shadow: Shadow, cluster: Cluster, company: SourceCatalog
) -> None:
    few = await shadow.class_for(seeing(company, {"public.customers": ["id", "name"]}))
    nothing = await shadow.class_for(seeing(company, {}))
    all_seeing = await shadow.class_for(everything(company))
    few_answers, _ = await answered(few, await finder(cluster, few))
    few_of_hidden_oids, _ = await answered(few, await finder(cluster, all_seeing))
    empty_answers, _ = await answered(nothing, await finder(cluster, few))

    for answers in (few_answers, few_of_hidden_oids, empty_answers):
        assert len(answers) > ANSWERED_MIN - 30
    print(len(few_answers), len(few_of_hidden_oids), len(empty_answers))
    baseline = b"".join(empty_answers.values())
    assert b"customers" not in baseline
    for answers in (few_answers, few_of_hidden_oids):
        told = b"".join(answers.values())
        leaks = {word: told.count(word) for word in HIDDEN if word not in baseline and word in told}
        assert leaks == {}
    for entry in entries():
        number = entry.number
        if number in few_answers and number in empty_answers:
            for word in HIDDEN:
                assert few_answers[number].count(word) == empty_answers[number].count(word), (
                    entry, word
                )  # fmt: skip
