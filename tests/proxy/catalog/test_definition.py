"""Goal: the DDL of a class tells what is visible and not a word more, whatever the names are.

Method: small catalogs and the text that must come of them; live databases are test_shadow's.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.model import VisibleColumn
from proxy.catalog.definition import definition, quote_identifier, quote_literal
from proxy.catalog.virtual import (
    CatalogError,
    ClassCatalog,
    Column,
    ForeignKey,
    Relation,
    SourceCatalog,
    TypeAttribute,
    TypeDefinition,
    class_catalog,
)
from proxy.catalog.written import WrittenColumn, WrittenKey, WrittenSequence, WrittenTable

ID = Column("id", 23, "integer", 1, not_null=True)


def seen(
    *relations: Relation, types: tuple[TypeDefinition, ...] = (), **masks: str | None
) -> ClassCatalog:
    source = SourceCatalog(
        "main", 160014, {one.key: one for one in relations}, {kind.oid: kind for kind in types}
    )
    visible = {
        one.key: [
            VisibleColumn(column.name, masks.get(column.name))
            for column in one.columns
            if not column.name.startswith("hidden")
        ]
        for one in relations
    }
    return class_catalog([source], visible)


def ddl(*relations: Relation, types: tuple[TypeDefinition, ...] = (), **masks: str) -> list[str]:
    steps = definition(seen(*relations, types=types, **masks), {"vector"})
    return [*steps.types, *steps.operators, *steps.objects, *steps.dependents]


def written(
    *relations: Relation, types: tuple[TypeDefinition, ...] = (), **masks: str
) -> list[WrittenTable]:
    return list(definition(seen(*relations, types=types, **masks), {"vector"}).written)


def table(name: str, *columns: Column, kind: str = "r", **more: object) -> Relation:
    return replace(Relation("main", "public", name, kind, columns), **more)  # type: ignore[arg-type]


def test_table_with_keys_identity_and_comments() -> None:
    made = written(
        table(
            "t",
            replace(ID, identity="d", comment="it's \\ 1"),
            Column("code", 25, "text", 2, collation="C"),
            Column("other", 25, "text", 3, collation="de-x-icu"),
            Column("hidden", 25, "text", 4),
            primary_key=("id",),
            unique_keys=(("code",), ("id", "hidden")),
            comment="T",
        )
    )
    assert made == [
        WrittenTable(
            "public",
            "t",
            (
                WrittenColumn("id", "integer", -1, True, "d", comment="it's \\ 1"),
                WrittenColumn("code", "text", collation="C"),
                WrittenColumn("other", "text"),
            ),
            "T",
            (WrittenKey("p", ("id",)), WrittenKey("u", ("code",))),
            (WrittenSequence("id", True, "integer", highest=2**31 - 1),),
        )
    ]


def test_masked_key_is_no_key() -> None:
    (made,) = written(table("t", ID, primary_key=("id",), unique_keys=(("id",),)), id="text")
    assert made.columns == (WrittenColumn("id", "text"),)
    assert made.keys == ()


def test_a_mask_whose_type_has_a_modifier_needs_a_statement() -> None:
    (made,) = ddl(table("t", ID, comment="T"), id="varchar(3)")[:1]
    assert made == 'CREATE TABLE "public"."t" ("id" varchar(3))'


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("v", 'CREATE VIEW "public"."t" AS SELECT NULL::integer AS "id"'),
        ("m", 'CREATE MATERIALIZED VIEW "public"."t" AS SELECT NULL::integer AS "id" WITH NO DATA'),
        ("f", 'CREATE FOREIGN TABLE "public"."t" ("id" integer NOT NULL) SERVER remote'),
    ],
)
def test_relation_kinds(kind: str, expected: str) -> None:
    made = [one for one in ddl(table("t", ID, kind=kind)) if '"public"."t"' in one]
    assert made == [expected, 'GRANT SELECT ON "public"."t" TO PUBLIC']


def test_relation_without_visible_columns_is_an_empty_table() -> None:
    for kind in "rvm":
        assert written(table("t", Column("hidden", 25, "text", 1), kind=kind)) == [
            WrittenTable("public", "t", ())
        ]


def test_a_draft_states_only_what_it_is_asked_for() -> None:
    catalog = seen(
        *(table(name, ID, kind="v") for name in ("one", "two")), table("three", ID, kind="r")
    )
    steps = definition(catalog, only={("public", "two")})
    assert "one" not in " ".join(steps.dependents)
    assert [each.name for each in steps.written] == ["three"]  # their names and numbers are given
    assert len(steps.relation_names) == 3


PARENT = table("parent", ID, Column("hidden_key", 23, "integer", 2), primary_key=("id",),
               unique_keys=(("hidden_key",),))  # fmt: skip


@pytest.mark.parametrize(
    ("key", "is_shown"),
    [
        (ForeignKey("k", ("id",), "public", "parent", ("id",), "c", "n"), True),
        (ForeignKey("k", ("hidden_id",), "public", "parent", ("id",)), False),
        (ForeignKey("k", ("id",), "public", "parent", ("hidden_key",)), False),
        (ForeignKey("k", ("id",), "hr", "unseen", ("id",)), False),
    ],
)
def test_foreign_key_is_told_only_if_both_ends_are(key: ForeignKey, is_shown: bool) -> None:
    child = table("child", ID, Column("hidden_id", 23, "integer", 2), foreign_keys=(key,))
    made = [statement for statement in ddl(PARENT, child) if "FOREIGN KEY" in statement]
    expected = (
        'ALTER TABLE "public"."child" ADD FOREIGN KEY ("id") REFERENCES "public"."parent" ("id")'
        " ON UPDATE CASCADE ON DELETE SET NULL NOT VALID"
    )
    assert made == ([expected] if is_shown else [])


MOOD = TypeDefinition(10, "public", "mood", "e", 11, labels=("it's", "b"))
ZIP = TypeDefinition(20, "public", "zip", "d", 21, base_type_oid=25, base_type_name="text")
PLACE = TypeDefinition(
    30, "public", "place", "c", 31, attributes=(TypeAttribute("zip", 20, "public.zip"),)
)
CITEXT = TypeDefinition(40, "ext", "citext", "b", 41, extension="citext")
VECTOR = TypeDefinition(50, "ext", "vector", "b", 51, extension="vector")
ROW = TypeDefinition(60, "public", "secret", "c", 61, is_row_type=True)


def test_types_come_before_what_uses_them() -> None:
    made = ddl(
        table("t", Column("a", 31, "public.place[]", 1, element_oid=30),
              Column("m", 10, "public.mood", 2)),
        types=(PLACE, ZIP, MOOD),
    )  # fmt: skip
    assert made == [
        "CREATE TYPE \"public\".\"mood\" AS ENUM ('it''s', 'b')",
        'CREATE DOMAIN "public"."zip" AS text',
        'CREATE TYPE "public"."place" AS ("zip" public.zip)',
    ]


def test_types_of_hidden_columns_are_not_told() -> None:
    made = ddl(table("t", ID, Column("hidden", 10, "public.mood", 2)), types=(MOOD, ZIP))
    assert made == []


def test_extension_types_are_created_or_stood_in_for() -> None:
    odd = table(
        "t",
        Column("c", 40, "ext.citext", 1, typmod=7),
        Column("cs", 41, "ext.citext[]", 2, element_oid=40),
        Column("v", 50, "ext.vector(3)", 3, typmod=3),
        Column("w", 60, "public.secret", 4),
    )
    (shown,) = written(odd, types=(CITEXT, VECTOR, ROW))
    assert [(one.type_name, one.modifier) for one in shown.columns] == [
        ('"ext"."citext"', -1),
        ('"ext"."citext"[]', -1),
        ("ext.vector(3)", 3),
        ("pg_catalog.text", -1),
    ]
    made = ddl(odd, types=(CITEXT, VECTOR, ROW))
    assert made == [
        'CREATE SCHEMA "ext"',
        'GRANT USAGE ON SCHEMA "ext" TO PUBLIC',
        'CREATE EXTENSION "vector" WITH SCHEMA "ext"',
        'CREATE DOMAIN "ext"."citext" AS pg_catalog.text',
    ]


def test_two_sources_with_differing_types_of_one_name_are_refused() -> None:
    other = replace(MOOD, labels=("x",))
    left = SourceCatalog("a", 160014, {}, {10: MOOD})
    one = Relation("a", "public", "one", "r", (Column("m", 10, "public.mood", 1),))
    two = Relation("b", "public", "two", "r", (Column("m", 10, "public.mood", 1),))
    left = SourceCatalog("a", 160014, {one.key: one}, {10: MOOD})
    right = SourceCatalog("b", 160014, {two.key: two}, {10: other})
    visible = {key: [VisibleColumn("m", None)] for key in (one.key, two.key)}
    with pytest.raises(CatalogError, match=r"public\.mood.*differently"):
        definition(class_catalog([left, right], visible))


@pytest.mark.parametrize(
    ("name", "quoted"), [("a", '"a"'), ('a"; DROP', '"a""; DROP"'), ("A.b\n", '"A.b\n"')]
)
def test_identifiers(name: str, quoted: str) -> None:
    assert quote_identifier(name) == quoted


@pytest.mark.parametrize(
    ("value", "quoted"), [("a", "'a'"), ("a'b", "'a''b'"), ("\\'", "E'\\\\'''"), ("", "''")]
)
def test_literals(value: str, quoted: str) -> None:
    assert quote_literal(value) == quoted
