"""A folder's tables as a catalog."""

from __future__ import annotations

from dataclasses import replace

from policies.model import RelationKey
from proxy.catalog.files import file_catalog
from proxy.files.frames import FileColumn, FileTable

TABLE = FileTable(
    "events",
    "parquet",
    (
        FileColumn("id", "bigint", "BIGINT"),
        FileColumn("amount", "numeric(10,2)", "DECIMAL(10,2)"),
        FileColumn("wide", "numeric", "text:numeric", is_exact=False),
    ),
)


def test_columns_have_the_types_that_postgres_gives_them() -> None:
    catalog = file_catalog("web", "shop", [TABLE])
    relation = catalog.relations[RelationKey("web", "shop", "events")]
    assert [(c.name, c.type_oid, c.typmod, c.is_opaque) for c in relation.columns] == [
        ("id", 20, -1, False),
        ("amount", 1700, (10 << 16 | 2) + 4, False),
        ("wide", 1700, -1, True),
    ]
    assert (catalog.is_files, catalog.text_rules) == (True, None)


def test_what_cannot_be_read_does_not_exist() -> None:
    broken = replace(TABLE, name="broken", failure="is a symbolic link")
    empty = FileTable("empty", "parquet", (), (("x", "BIT"),))
    assert len(file_catalog("web", "web", [TABLE, broken, empty]).relations) == 1


def test_another_shape_is_drift() -> None:
    (one,) = file_catalog("web", "web", [TABLE]).relations.values()
    (same,) = file_catalog("web", "web", [TABLE]).relations.values()
    (other,) = file_catalog(
        "web", "web", [replace(TABLE, columns=TABLE.columns[:1])]
    ).relations.values()
    assert one.fingerprint == same.fingerprint != other.fingerprint
