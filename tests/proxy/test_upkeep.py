"""Reloads that never open and never drop: with a policy and a schema made by hand."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from policies.decide import PolicySet
from policies.errors import PolicyLoadError, Problem
from policies.model import RelationKey
from proxy.catalog.virtual import CatalogError, Column, Relation, SourceCatalog
from proxy.runtime.audit import AuditLog, records
from proxy.upkeep import StartRefused, Upkeep, live_schema
from tests.live.gate import policy_set

COLUMNS = {
    "orders": {
        "id": "bigint", "region": "text", "amount": "numeric", "note": "text",
        "placed": "timestamp with time zone", "tags": "text[]", "mood": "text",
    },
    "items": {"id": "bigint", "order_id": "bigint", "sku": "text"},
}  # fmt: skip


def shop() -> SourceCatalog:
    relations = {}
    for name, columns in COLUMNS.items():
        made = tuple(
            Column(column, 25, type_name, position)
            for position, (column, type_name) in enumerate(columns.items(), 1)
        )
        relation = Relation("main", "shop", name, "r", made, fingerprint=name)
        relations[relation.key] = relation
    return SourceCatalog("main", 160000, relations)


class Journal:
    """Stands for the history in the state database."""

    def __init__(self) -> None:
        self.notes: list[tuple[bool, str, str]] = []

    async def note(
        self, *, version_before: str, version_after: str, is_accepted: bool, reason: str = ""
    ) -> None:
        self.notes.append((is_accepted, version_before, version_after))

    async def flush(self) -> None:
        pass


class Stage:
    """An upkeep whose policy and catalog the test chooses."""

    def __init__(self, audit: AuditLog, directory: Path) -> None:
        self.file = directory / "policy.yaml"
        self.file.write_text("one")
        self.audit_directory = directory / "audit"
        self.policy: Callable[[], PolicySet] = policy_set
        self.catalog: Callable[[], SourceCatalog] = shop
        self.journal = Journal()
        self.upkeep = Upkeep(
            [self.file],
            self._load,
            {"main": self._read},
            audit,
            self.journal,  # type: ignore[arg-type] # tests/proxy/test_server_state.py has a real one
        )

    def _load(self, files: Sequence[Path]) -> tuple[PolicySet, tuple[Problem, ...]]:
        assert files == (self.file,)
        return self.policy(), ()

    async def _read(self) -> SourceCatalog:
        return self.catalog()

    def reloads(self) -> list[tuple[bool, str]]:
        """Whether each reload on record was accepted, and the reason."""
        found = [record.facts for record in records(self.audit_directory)]
        return [("entity_result" in one, one["status_detail"]) for one in found]


def bad() -> PolicySet:
    raise PolicyLoadError((Problem("policy.yaml", 3, "is nonsense"),))


def unreachable() -> SourceCatalog:
    raise CatalogError("the source is down")


@pytest_asyncio.fixture(loop_scope="session")
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    audit = await AuditLog.open(tmp_path / "audit", "fast")
    yield Stage(audit, tmp_path)
    await audit.close()


async def test_a_first_policy_must_load(stage: Stage) -> None:
    stage.policy = bad
    with pytest.raises(StartRefused, match=r"policy.yaml:3"):
        await stage.upkeep.start()


async def test_a_first_policy_must_fit(stage: Stage) -> None:
    stage.catalog = lambda: SourceCatalog("main", 160000, {})
    with pytest.raises(StartRefused, match="fit"):
        await stage.upkeep.start()


async def test_a_source_may_be_down_at_the_start(stage: Stage) -> None:
    stage.catalog = unreachable
    await stage.upkeep.start()
    assert stage.upkeep.estate().catalogs == ()
    stage.catalog = shop
    await stage.upkeep.reload_catalogs()

    assert [catalog.source for catalog in stage.upkeep.estate().catalogs] == ["main"]


async def test_a_bad_policy_leaves_the_good_one(stage: Stage) -> None:
    await stage.upkeep.start()
    before = stage.upkeep.estate()
    stage.policy = bad
    assert not await stage.upkeep.reload_policy()

    assert stage.upkeep.estate() is before
    assert stage.reloads() == [(False, "policy.yaml:3: is nonsense")]


async def test_a_policy_that_does_not_fit_leaves_the_good_one(stage: Stage) -> None:
    await stage.upkeep.start()
    before = stage.upkeep.estate()
    catalog = shop()
    orders = RelationKey("main", "shop", "orders")
    relation = catalog.relations[orders]
    fewer = replace(relation, columns=relation.columns[:1], fingerprint="fewer")
    stage.catalog = lambda: replace(catalog, relations={**catalog.relations, orders: fewer})
    await stage.upkeep.reload_catalogs()
    stage.policy = lambda: policy_set("v2")
    assert not await stage.upkeep.reload_policy()

    assert stage.upkeep.estate().policy is before.policy
    assert not stage.reloads()[-1][0]


async def test_a_good_policy_comes_into_force_and_is_on_record(stage: Stage) -> None:
    await stage.upkeep.start()
    before = stage.upkeep.estate().revision
    stage.policy = lambda: policy_set("v2", note_clear=True)
    assert await stage.upkeep.reload_policy()
    assert not await stage.upkeep.reload_policy()  # the same again is no change

    assert stage.upkeep.estate().policy.version == "v2"
    assert stage.upkeep.estate().revision != before
    assert stage.reloads() == [(True, "")]


async def test_a_source_that_goes_away_keeps_its_catalog(stage: Stage) -> None:
    await stage.upkeep.start()
    before = stage.upkeep.estate()
    stage.catalog = unreachable
    await stage.upkeep.reload()

    assert stage.upkeep.estate() is before


async def test_a_changed_schema_makes_a_new_revision(stage: Stage) -> None:
    await stage.upkeep.start()
    before = stage.upkeep.estate().revision
    catalog = shop()
    key = RelationKey("main", "shop", "items")
    other = replace(catalog.relations[key], fingerprint="another")
    stage.catalog = lambda: replace(catalog, relations={**catalog.relations, key: other})
    await stage.upkeep.reload_catalogs()

    assert stage.upkeep.estate().revision != before


async def test_changes_of_files_are_seen(stage: Stage) -> None:
    before = stage.upkeep._fingerprint()
    assert stage.upkeep._fingerprint() == before
    stage.file.write_text("three")
    changed = stage.upkeep._fingerprint()
    os.unlink(stage.file)

    assert len({before, changed, stage.upkeep._fingerprint()}) == 3


def test_the_live_schema_by_relation_and_column() -> None:
    schema = live_schema([shop()])

    assert schema[RelationKey("main", "shop", "items")] == COLUMNS["items"]


async def test_every_load_is_in_the_history_accepted_or_refused(stage: Stage) -> None:
    await stage.upkeep.start()
    stage.policy = bad
    await stage.upkeep.reload_policy()
    stage.policy = lambda: policy_set("v2")
    await stage.upkeep.reload_policy()

    assert stage.journal.notes == [(True, "", "v1"), (False, "v1", ""), (True, "v1", "v2")]


async def test_a_start_that_is_refused_is_in_the_history(stage: Stage) -> None:
    stage.policy = bad
    with pytest.raises(StartRefused):
        await stage.upkeep.start()
    assert stage.journal.notes == [(False, "", "")]
