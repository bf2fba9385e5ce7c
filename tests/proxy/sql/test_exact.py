"""What several sources must agree on."""

from __future__ import annotations

import pytest

from proxy.catalog.virtual import TextRules
from proxy.faults import UnsupportedFault
from proxy.sql.exact import common_rules, demand_exact
from proxy.sql.safety import Safety
from proxy.sql.split import take_apart
from tests.proxy.sql.two_sources import bound, catalog, guarded

JOIN = "FROM crm.people p JOIN sales.orders o ON o.person = p.id"
DIFFERENT = catalog(TextRules("de_DE.UTF-8", "de_DE.UTF-8"), TextRules())


@pytest.mark.parametrize("column", ["login", "german"])
def test_what_the_merge_engine_cannot_have_is_refused(column: str) -> None:
    with pytest.raises(UnsupportedFault, match=f'column "{column}" cannot be read together'):
        guarded(f"SELECT p.{column} {JOIN}")
    # Not read, no matter.
    guarded(f"SELECT p.name {JOIN}")
    # Alone, its source answers.
    guarded(f"SELECT {column} FROM crm.people")


SENSITIVE = [
    f"SELECT p.name {JOIN} ORDER BY p.name",
    f"SELECT p.name {JOIN} ORDER BY 1",
    f"SELECT p.name AS n {JOIN} ORDER BY n",
    f"SELECT min(p.name) {JOIN}",
    f"SELECT greatest(p.name, o.status) {JOIN}",
    f"SELECT lower(p.name) {JOIN}",
    f"SELECT p.id {JOIN} WHERE p.name < 'x'",
    f"SELECT p.id {JOIN} WHERE p.name BETWEEN 'a' AND 'b'",
    f"SELECT p.id {JOIN} WHERE p.name ILIKE 'a%'",
    f"SELECT p.id {JOIN} WHERE p.name ~ '[a-z]'",
    f"SELECT rank() OVER (ORDER BY p.name) {JOIN}",
    f"SELECT string_agg(p.name, ',' ORDER BY p.name) {JOIN}",
    f"SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY p.name) {JOIN}",
]
INSENSITIVE = [
    f"SELECT p.name {JOIN}",
    f"SELECT p.name {JOIN} WHERE p.name = o.status",
    f"SELECT DISTINCT p.name {JOIN}",
    f"SELECT p.name, count(*) {JOIN} GROUP BY p.name",
    f"SELECT p.name {JOIN} ORDER BY o.id",
    f"SELECT p.name {JOIN} WHERE p.name LIKE 'a%'",
    f"SELECT max(o.total) {JOIN}",
]


@pytest.mark.parametrize(
    "value", ["xmlelement(name a, p.name)", "xpath('/a', '<a/>')", "p.name::xml", "xmlforest(o.id)"]
)
def test_xml_is_left_to_sources_that_can(value: str) -> None:
    with pytest.raises(UnsupportedFault, match="XML is not supported"):
        guarded(f"SELECT {value} {JOIN}")
    guarded("SELECT xmlelement(name a, p.name), xpath('/a', '<a/>') FROM crm.people p")


@pytest.mark.parametrize("sql", SENSITIVE)
def test_an_order_of_texts_that_differs_is_refused(sql: str) -> None:
    with pytest.raises(UnsupportedFault, match="order texts differently"):
        guarded(sql, seen=DIFFERENT)
    guarded(sql)


@pytest.mark.parametrize("sql", INSENSITIVE)
def test_what_needs_no_order_of_texts_is_answered(sql: str) -> None:
    assert guarded(sql, seen=DIFFERENT).parts


def test_common_rules() -> None:
    german = TextRules("de_DE.UTF-8", "de_DE.UTF-8")
    assert common_rules([german, german]) == german
    assert common_rules([german, TextRules()]) is None
    assert common_rules([]) is None


def test_it_judges_a_bound_statement() -> None:
    statement = bound(f"SELECT p.name {JOIN}")
    safety = Safety(statement, ())
    demand_exact(statement, safety, take_apart(statement, safety, 0), DIFFERENT)
