"""Goal: equal schemas share one class, few classes are kept, and a dropped one comes back by itself.

Method: a shadow with room for two classes beside the shared one, on the same cluster.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.catalog import class_database
from proxy.catalog.shadow import Shadow, shadow_cluster
from proxy.catalog.virtual import CatalogError, Relation, SourceCatalog
from proxy.runtime.embedded import Cluster
from tests.proxy.catalog.conftest import DATABASE, everything, seeing


async def databases(cluster: Cluster) -> set[str]:
    superuser = await cluster.connect()
    rows = await superuser.fetch("SELECT datname FROM pg_database WHERE datname ~ '^c_'")
    roles = await superuser.fetch("SELECT rolname FROM pg_roles WHERE rolname ~ '^c_'")
    await superuser.close()
    assert {row[0] for row in rows} == {row[0] for row in roles}
    return {row[0] for row in rows}


async def test_equal_schemas_share_a_class(shadow: Shadow, company: SourceCatalog) -> None:
    one = await shadow.class_for(seeing(company, {"public.customers": ["id", "name"]}))
    same = await shadow.class_for(seeing(company, {"public.customers": ["name", "id"]}))
    other = await shadow.class_for(seeing(company, {"public.customers": ["id"]}))
    assert one is same
    assert one is not other


async def test_least_recently_used_class_is_dropped_and_comes_back(
    tmp_path: Path, company: SourceCatalog
) -> None:
    async with shadow_cluster(tmp_path / "s") as cluster:
        small = Shadow(cluster, DATABASE, classes_max=2)
        await small.start()
        catalogs = [
            seeing(company, {"public.customers": columns})
            for columns in (["id"], ["name"], ["id", "name"])
        ]
        names = []
        for catalog in catalogs[:2]:
            asked = await small.class_for(catalog)
            await asked.run("SELECT 1")
            names += asked.names
        assert await databases(cluster) == set(names)
        first = await small.class_for(catalogs[0])
        third = await small.class_for(catalogs[2])
        await third.run("SELECT 1")

        left = await databases(cluster)
        assert names[0] in left
        assert names[1] not in left
        second = await small.class_for(catalogs[1])
        described = await second.describe("SELECT * FROM customers", (), ("public",))
        await second.run("SELECT 1")
        assert described.fields is not None
        assert [field.name for field in described.fields] == ["name"]
        assert len(await databases(cluster)) == 2
        assert first.users == 0
        await small.close()


async def test_class_that_another_process_dropped_comes_back(
    cluster: Cluster, shadow: Shadow, company: SourceCatalog
) -> None:
    asked = await shadow.class_for(seeing(company, {"public.customers": ["birth"]}))
    whole = await asked._wholly()
    name = whole.name
    whole.links.close_idle()
    superuser = await cluster.connect()
    await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await superuser.execute(f"DROP ROLE {name}")
    await superuser.close()
    described = await asked.describe("SELECT birth FROM customers", (), ("public",))
    assert described.fields is not None


async def test_classes_and_template_survive_a_restart_but_not_another_script(
    tmp_path: Path, company: SourceCatalog
) -> None:
    catalog = seeing(company, {"public.customers": ["id"]})
    oids = []
    for database_name in ("one", "one", "two"):
        async with shadow_cluster(tmp_path / "s") as cluster:
            made = Shadow(cluster, database_name)
            await made.start()
            before = await databases(cluster)
            asked = await made.class_for(catalog)
            rows = await asked.run("SELECT current_database()")
            assert next(rows.batches[0].rows()) == (database_name.encode(),)
            oids.append((len(before), (await asked.oids()).relations))
            await made.close()
    assert [number for number, _ in oids] == [0, 1, 0]
    assert oids[0][1] == oids[1][1]


async def test_schema_that_cannot_be_built_is_the_operators_error(
    shadow: Shadow, company: SourceCatalog
) -> None:
    relation = next(iter(company.relations.values()))
    columns = tuple(relation.columns)
    broken = replace(relation, columns=(replace(columns[0], type_name="no_such.type"),))
    asked = await shadow.class_for(everything(replace(company, relations={broken.key: broken})))
    with pytest.raises(CatalogError, match="no_such"):
        await asked.run("SELECT 1")
    with pytest.raises(CatalogError, match="no_such"):
        await asked.describe(f"SELECT * FROM {broken.schema}.{broken.name}", (), ("public",))


async def test_thousand_relations_are_built_in_one_transaction(
    cluster: Cluster, shadow: Shadow, company: SourceCatalog
) -> None:
    base = next(iter(company.relations.values()))
    relations: dict[object, Relation] = {}
    for number in range(1_000):
        one = replace(base, name=f"t{number}")
        relations[one.key] = one
    asked = await shadow.class_for(everything(replace(company, relations=relations)))  # type: ignore[arg-type]
    assert len((await asked._wholly()).oids.relations) == 1_000


def test_names_tell_nothing_of_the_class(company: SourceCatalog) -> None:
    name = class_database.class_name(seeing(company, {"hr.salaries": ["ssn"]}), "bare")
    assert name.startswith("c_")
    assert set(name[2:]) <= set("0123456789abcdef")
    assert len(name) <= 63


async def test_its_processes_are_bounded_and_out_of_reach(cluster: Cluster) -> None:
    process = Path("/proc") / str(cluster.process_id)
    limits = (process / "limits").read_text()
    (memory,) = [line.split() for line in limits.splitlines() if "address space" in line]
    (core,) = [line.split() for line in limits.splitlines() if "core file" in line]
    assert int(memory[3]) <= 2 * 1024**3
    assert core[4] == "0"
    superuser = await cluster.connect()
    settings = dict(
        await superuser.fetch(
            "SELECT name, setting FROM pg_settings WHERE name IN ('listen_addresses',"
            " 'temp_file_limit', 'max_connections', 'track_activities', 'log_statement')"
        )
    )
    await superuser.close()
    assert settings == {
        "listen_addresses": "",
        "temp_file_limit": "65536",
        "max_connections": "250",
        "track_activities": "off",
        "log_statement": "none",
    }
    assert cluster.socket_directory.stat().st_mode & 0o077 == 0
    assert cluster.directory.stat().st_mode & 0o077 == 0
