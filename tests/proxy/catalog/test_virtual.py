"""Goal: a class sees its own part of the schema and nothing of the rest, by any path.

Method: small hand-made catalogs; what must not be told is searched for in everything returned.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.model import RelationKey, VisibleColumn
from proxy.catalog.virtual import (
    CatalogError,
    Column,
    ForeignKey,
    Relation,
    SourceCatalog,
    TypeAttribute,
    TypeDefinition,
    class_catalog,
    type_oid_of,
    visible_relation,
)

ID = Column("id", 23, "integer", 1, not_null=True)
EMAIL = Column("email", 25, "text", 2, not_null=True, collation="de-x-icu")
MOOD = Column("mood", 9_001, "public.mood", 3, type_kind="e")
CUSTOMERS = Relation(
    "main", "public", "customers", "r", (ID, EMAIL, MOOD), 100,
    primary_key=("id",), unique_keys=(("email",),),
    fingerprint="a",
)  # fmt: skip
ORDERS = Relation(
    "main", "sales", "orders", "r", (ID, Column("customer_id", 23, "integer", 2)), 101,
    foreign_keys=(ForeignKey("fk", ("customer_id",), "public", "customers", ("id",)),),
    fingerprint="b",
)  # fmt: skip
SALARIES = Relation("main", "hr", "customers_secret", "r", (ID,), 102, fingerprint="c")
TYPES = {
    9_001: TypeDefinition(9_001, "public", "mood", "e", 9_000, labels=("sad", "happy")),
    9_101: TypeDefinition(9_101, "public", "place", "c", 9_100,
                          attributes=(TypeAttribute("zip", 9_201, "public.zip"),)),
    9_201: TypeDefinition(9_201, "public", "zip", "d", 9_200, base_type_oid=25),
}  # fmt: skip
SOURCE = SourceCatalog(
    "main",
    160014,
    {relation.key: relation for relation in (CUSTOMERS, ORDERS, SALARIES)},
    TYPES,
    {"public": None, "sales": "Sales mart", "hr": "secret comment"},
)


def everything(relation: Relation) -> list[VisibleColumn]:
    return [VisibleColumn(column.name, None) for column in relation.columns]


def test_hidden_relation_is_not_resolved_nor_suggested_nor_told() -> None:
    made = class_catalog([SOURCE], {CUSTOMERS.key: everything(CUSTOMERS)})

    assert made.resolve("hr", "customers_secret") is None
    assert made.resolve("sales", "orders") is None
    assert made.suggest(None, "customers_secre") == "customers"
    assert made.suggest("hr", "customers_secret") == "public.customers"
    assert "secret" not in repr(made)


@pytest.mark.parametrize(
    ("schema", "name", "path", "expected"),
    [
        (None, "customers", ["public"], "public"),
        (None, "customers", ["sales"], None),
        (None, "orders", ["public", "sales"], "sales"),
        ("public", "orders", ["sales"], None),
        ("sales", "orders", [], "sales"),
        (None, "Customers", ["public"], None),
        (None, "customers", ["no_such", "pg_catalog", "public"], "public"),
    ],
)
def test_resolve(schema: str | None, name: str, path: list[str], expected: str | None) -> None:
    made = class_catalog(
        [SOURCE], {CUSTOMERS.key: everything(CUSTOMERS), ORDERS.key: everything(ORDERS)}
    )
    found = made.resolve(schema, name, path)
    assert (found.schema if found else None) == expected


@pytest.mark.parametrize(
    ("schema", "name", "expected"),
    [
        (None, "custmers", "customers"),
        (None, "orders", "sales.orders"),
        (None, "xyzzy", None),
        ("public", "ordres", "sales.orders"),
    ],
)
def test_suggest(schema: str | None, name: str, expected: str | None) -> None:
    made = class_catalog(
        [SOURCE], {CUSTOMERS.key: everything(CUSTOMERS), ORDERS.key: everything(ORDERS)}
    )
    assert made.suggest(schema, name, ["public"]) == expected


def test_mask_type_replaces_everything_the_column_would_tell() -> None:
    seen = visible_relation(
        CUSTOMERS, [VisibleColumn("email", "varchar(3)"), VisibleColumn("id", None)]
    )

    assert [column.name for column in seen.columns] == ["id", "email"]
    email = seen.column("email")
    assert email is not None
    assert (email.type_oid, email.type_name, email.base_type_oid) == (1043, "varchar(3)", 1043)
    assert (email.not_null, email.collation, email.is_masked) == (False, None, True)
    assert seen.primary_key == ("id",)
    assert seen.unique_keys == ()


def test_key_with_a_hidden_column_is_not_told() -> None:
    seen = visible_relation(CUSTOMERS, [VisibleColumn("email", None)])
    assert seen.primary_key == ()
    assert seen.unique_keys == (("email",),)


def test_only_types_of_visible_columns_and_types_inside_them_are_told() -> None:
    place = Column("place", 9_100, "public.place[]", 4, element_oid=9_101)
    wide = Relation("main", "public", "wide", "r", (ID, place, MOOD))
    source = SourceCatalog("main", 160014, {wide.key: wide}, TYPES)

    made = class_catalog([source], {wide.key: [VisibleColumn("place", None)]})
    assert sorted(made.types["main"]) == [9_101, 9_201]


def test_class_key_is_equal_for_equal_schemas_and_differs_for_each_difference() -> None:
    def key(**columns: str | None) -> str:
        visible = [VisibleColumn(name, mask) for name, mask in columns.items()]
        return class_catalog([SOURCE], {CUSTOMERS.key: visible}).key

    keys = [key(id=None), key(id=None, email=None), key(id=None, email="text"), key(id="bigint")]
    assert len(set(keys)) == 4
    assert key(email=None, id=None) == keys[1]


def test_class_key_does_not_tell_whether_something_is_hidden() -> None:
    """A table that is seen whole has the key of one of which nothing more is seen."""
    small = replace(CUSTOMERS, columns=(ID, EMAIL))
    source = SourceCatalog("main", 160014, {small.key: small}, {}, {"public": None})
    visible = {CUSTOMERS.key: [VisibleColumn("id", None), VisibleColumn("email", None)]}
    assert class_catalog([source], visible).key == class_catalog([SOURCE], visible).key


def test_source_digest_follows_fingerprints() -> None:
    drifted = Relation("main", "public", "customers", "r", (ID,), 100, fingerprint="z")
    other = SourceCatalog("main", 160014, {**SOURCE.relations, CUSTOMERS.key: drifted})
    assert SOURCE.digest == replace(SOURCE, relations=dict(SOURCE.relations)).digest
    assert SOURCE.digest != replace(SOURCE, relations=other.relations).digest


@pytest.mark.parametrize(
    "changed",
    [
        replace(CUSTOMERS, comment="another"),
        replace(CUSTOMERS, primary_key=()),
        replace(CUSTOMERS, columns=(replace(CUSTOMERS.columns[0], comment="another"),)),
    ],
)
def test_source_digest_follows_what_only_the_catalog_shows(changed: Relation) -> None:
    assert changed.fingerprint == CUSTOMERS.fingerprint
    relations = {**SOURCE.relations, CUSTOMERS.key: changed}
    assert SOURCE.digest != replace(SOURCE, relations=relations).digest
    assert SOURCE.digest != replace(SOURCE, schema_comments={}).digest


def test_comments_are_the_policys_or_the_sources_and_tell_of_masks() -> None:
    relation = replace(
        CUSTOMERS, comment="theirs", columns=(replace(CUSTOMERS.columns[0], comment="key"),)
    )
    name = relation.columns[0].name

    def comments(table: str | None, **shown: object) -> tuple[str | None, str | None]:
        visible = VisibleColumn(name, None, **shown)  # type: ignore[arg-type]
        made = visible_relation(relation, [visible], table)
        return made.comment, made.columns[0].comment

    assert comments(None) == ("theirs", "key")
    assert comments("ours", comment="our key") == ("ours", "our key")
    assert comments("", comment="") == (None, None)
    assert comments(None, mask="email") == ("theirs", "key (masked: email)")
    assert comments(None, mask="email", comment="", is_partly_clear=True) == (
        "theirs", "masked in some rows: email"
    )  # fmt: skip


def test_column_masked_in_its_own_type_is_no_key_and_may_be_null() -> None:
    relation = replace(CUSTOMERS, columns=(replace(ID, not_null=True, identity="a"),))
    (column,) = visible_relation(relation, [VisibleColumn("id", None, "null")]).columns
    assert (column.not_null, column.identity, column.is_masked) == (False, "", True)
    assert column.type_oid == ID.type_oid


@pytest.mark.parametrize(
    "changed",
    [
        replace(TYPES[9_001], labels=("sad", "happy", "glad")),
        replace(TYPES[9_201], base_type_oid=1043),
        replace(TYPES[9_201], not_null=True),
        replace(TYPES[9_101], attributes=()),
    ],
)
def test_source_digest_follows_types(changed: TypeDefinition) -> None:
    backwards = dict(reversed(TYPES.items()))
    assert replace(SOURCE, types=backwards).digest == SOURCE.digest
    assert replace(SOURCE, types={**TYPES, changed.oid: changed}).digest != SOURCE.digest


def test_same_name_in_two_sources_is_refused_by_name() -> None:
    twin = Relation("lake", "public", "customers", "r", (ID,))
    lake = SourceCatalog("lake", 160014, {twin.key: twin})
    both = {CUSTOMERS.key: everything(CUSTOMERS), twin.key: everything(twin)}
    with pytest.raises(CatalogError, match=r"public\.customers.*`main` and `lake`"):
        class_catalog([SOURCE, lake], both)


def test_relation_that_no_source_has_is_left_out() -> None:
    made = class_catalog(
        [SOURCE], {RelationKey("main", "public", "gone"): [VisibleColumn("id", None)]}
    )
    assert dict(made.relations) == {}


@pytest.mark.parametrize(
    ("name", "oid"),
    [("text", 25), ("VARCHAR(10)", 1043), ("timestamptz", 1184), ("int4[]", 1007),
     ("numeric(10, 2)", 1700)],
)  # fmt: skip
def test_built_in_type_names(name: str, oid: int) -> None:
    assert type_oid_of(name) == oid


@pytest.mark.parametrize("name", ["mood", "public.text", "", "text; drop table x"])
def test_other_type_names_are_refused(name: str) -> None:
    with pytest.raises(CatalogError):
        type_oid_of(name)
