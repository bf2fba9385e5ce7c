"""The condition language: what is accepted, how it prints, what is refused and why."""

from __future__ import annotations

import postgast
import pytest

from policies import expression as tree
from policies.claims import ClaimType
from policies.model import RelationKey
from policies.predicate import (
    CONDITION_BYTES_MAX,
    CONDITION_NODES_MAX,
    PredicateError,
    Scope,
    parse_condition,
    parse_expression,
)
from tests.policies.conftest import Execute

MEMBERS = RelationKey("main", "hr", "members")
SCOPE = Scope(
    "main",
    {
        "tenant": ClaimType.parse("text"),
        "regions": ClaimType.parse("text[]"),
        "level": ClaimType.parse("bigint"),
        "is_agent": ClaimType.parse("boolean"),
    },
    frozenset({"analyst", "auditor"}),
    {MEMBERS: ("email", "region")},
)
VALUES = {
    "tenant": ("t1", SCOPE.claim_types["tenant"]),
    "regions": (("north", "o'r"), SCOPE.claim_types["regions"]),
    "level": (3, SCOPE.claim_types["level"]),
    "is_agent": (True, SCOPE.claim_types["is_agent"]),
}

ACCEPTED: list[tuple[str, str | None]] = [
    ("tenant = claim('tenant')", "(\"tenant\" = claim('tenant'))"),
    ("tenant != 'x'", "(\"tenant\" <> 'x')"),
    ('"Odd Name" = 1', '("Odd Name" = 1)'),
    ("region = ANY (claim('regions'))", "(\"region\" = ANY (claim('regions')))"),
    ("region <> ALL (claim('regions'))", "(\"region\" <> ALL (claim('regions')))"),
    ("region = any(array['a', 'b'])", "(\"region\" = ANY (ARRAY['a', 'b']))"),
    ("'a' = any(tags)", "('a' = ANY (\"tags\"))"),
    ("tags && claim('regions')", "(\"tags\" && claim('regions'))"),
    ("amount > -1.5", '("amount" > (-1.5))'),
    ("amount between 1 and claim('level')", "(\"amount\" BETWEEN 1 AND claim('level'))"),
    ("amount not between 1 and 2", '("amount" NOT BETWEEN 1 AND 2)'),
    ("region in ('a', 'b')", "(\"region\" IN ('a', 'b'))"),
    ("region not in ('a')", "(\"region\" NOT IN ('a'))"),
    ("note like 'a%'", "(\"note\" LIKE 'a%')"),
    ("note not ilike '%b\\\\'", "(\"note\" NOT ILIKE E'%b\\\\\\\\')"),
    ("note is null or note is not null", '(("note" IS NULL) OR ("note" IS NOT NULL))'),
    ("is_live is not true", '("is_live" IS NOT TRUE)'),
    ("not is_live", '(NOT "is_live")'),
    ("is_live", '"is_live"'),
    ("claim('is_agent')", "claim('is_agent')"),
    ("note is distinct from 'x'", "(\"note\" IS DISTINCT FROM 'x')"),
    ("note is not distinct from claim('tenant')", None),
    ("lower(note) = 'x'", '(pg_catalog."lower"("note") = \'x\')'),
    ("pg_catalog.upper(note) = 'X'", '(pg_catalog."upper"("note") = \'X\')'),
    ("left(note, 2) = 'ab'", '(pg_catalog."left"("note", 2) = \'ab\')'),
    ("substr(note, 2, 3) = split_part(note, ',', 1)", None),
    ("starts_with(note, claim('tenant'))", None),
    ("trim(note) = '' or length(note) > 3", None),
    ("coalesce(note, '') = ''", "(COALESCE(\"note\", '') = '')"),
    ("nullif(note, '') is null", "(NULLIF(\"note\", '') IS NULL)"),
    ("greatest(amount, 2) > least(amount, 3)", None),
    ("amount::text = '1'", "((\"amount\")::pg_catalog.text = '1')"),
    ("born >= date '2000-01-31'", None),
    ("placed > now() - interval '90 days'", None),
    ("placed < now() + '1 year 2 months'::interval", None),
    ("born < current_date", None),
    ("born < current_date - interval '18 years'", None),
    ("placed < '2025-01-01T00:00:00+00:00'::timestamptz", None),
    ("key = 'b3b1c1a0-0000-4000-8000-00000000abcd'::uuid", None),
    ("document ->> 'region' = claim('tenant')", None),
    ("document -> 'a' ->> 'b' = 'x'", None),
    ("document @> '{\"a\": 1}'::jsonb", None),
    ("document ? 'a'", None),
    ("case when is_live then amount > 1 else false end", None),
    ("region in (select region from hr.members where email = claim('tenant'))", None),
    ("region in (select m.region from hr.members as m where m.email like 'a%')", None),
    ("region in (select members.region from hr.members)", None),
    ("(region, note) in (select region, email from hr.members)", None),
    ("region not in (select region from hr.members)", None),
    ("exists (select 1 from hr.members where email = claim('tenant'))", None),
    ("exists (select from hr.members)", None),
    ("true", "true"),
    ("role('analyst')", "true"),
    ("role('auditor')", "false"),
    ("role('auditor') or note = 'x'", "(\"note\" = 'x')"),
    ("role('analyst') or note = 'x'", "true"),
    ("role('analyst') and note = 'x'", "(\"note\" = 'x')"),
    ("not role('auditor') and note = 'x'", "(\"note\" = 'x')"),
    ("tenant = 't1'' OR ''1''=''1'", "(\"tenant\" = 't1'' OR ''1''=''1')"),
    ("note = 'x' -- a comment", "(\"note\" = 'x')"),
]

TABLE = """
CREATE TEMP TABLE probe AS SELECT 't1'::text AS tenant, 'north'::text AS region, 1::numeric AS
amount, 'note'::text AS note, true AS is_live, now() AS placed, date '2001-01-01' AS born,
'b3b1c1a0-0000-4000-8000-00000000abcd'::uuid AS key, '{"a": 1}'::jsonb AS document, ARRAY['north']
AS tags, 1 AS "Odd Name";
"""
# Values that make careless expressions raise.
ODD_ROWS = """
INSERT INTO probe VALUES
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    ('', '', 'NaN', E'\\\\', false, 'infinity', '-infinity', NULL, '[]', '{}', 2147483647),
    (E'%_\\\\', repeat('ä', 5000), 'Infinity', ',', false, '294276-12-31 00:00:00+00',
    '5874897-12-31', NULL, 'null', ARRAY[NULL::text], -2147483648), ('😀', E'\\n', repeat('9',
    5000)::numeric, '😀', true, '4713-11-24 00:00:00+00 BC', '4713-11-24 BC',
    '00000000-0000-0000-0000-000000000000', '"x"', '{{a},{b}}', 0);
"""


@pytest.fixture
def probe(execute: Execute) -> Execute:
    execute("DROP SCHEMA IF EXISTS hr CASCADE")
    execute("CREATE SCHEMA hr")
    execute("CREATE TABLE hr.members (email text, region text, note text, amount int)")
    execute("INSERT INTO hr.members VALUES ('t1', 'north', 'n', 1), (NULL, NULL, NULL, NULL)")
    execute("DROP TABLE IF EXISTS pg_temp.probe")
    execute(TABLE)
    execute(ODD_ROWS)
    return execute


def printed(text: str) -> str:
    return tree.to_sql(tree.simplify(parse_condition(text, SCOPE), frozenset({"analyst"})))


@pytest.mark.parametrize(("text", "expected"), ACCEPTED)
def test_accepted_conditions_run_on_every_row(
    probe: Execute, text: str, expected: str | None
) -> None:
    sql = printed(text)
    assert expected is None or sql == expected
    rows = probe(f"SELECT count(*) FROM pg_temp.probe WHERE {sql}", VALUES)
    assert isinstance(rows[0][0], int)
    once = postgast.deparse(postgast.parse("SELECT " + sql))
    assert postgast.deparse(postgast.parse(once)) == once


@pytest.mark.parametrize(
    "text",
    [text for text, _ in ACCEPTED if "role(" not in text and "current_date" not in text],
)
def test_printing_keeps_the_meaning(probe: Execute, text: str) -> None:
    """What is printed selects the rows that the text itself selects."""
    plain = text.replace("!=", "<>")
    original = probe(f"SELECT ctid::text FROM pg_temp.probe WHERE {plain} ORDER BY 1", VALUES)
    assert (
        probe(f"SELECT ctid::text FROM pg_temp.probe WHERE {printed(text)} ORDER BY 1", VALUES)
        == original
    )


REFUSED: list[tuple[str, str]] = [
    ("", "expected one condition"),
    ("   ", "expected one condition"),
    ("1", "true or false"),
    ("'x'", "true or false"),
    ("now()", "true or false"),
    ("lower(note)", "true or false"),
    ("note = 'x' and 1", "take conditions"),
    ("true; drop table x", "expected one condition"),
    ("true union select true", "not a statement"),
    ("true from hr.members", "not a statement"),
    ("true where true", "not a statement"),
    ("true as x", "not a select list"),
    ("true, false", "not a statement"),
    ("true) or (true", "syntax error"),
    ("*", "* is not allowed"),
    ("tenant = ", "syntax error"),
    ("tenant = $1", "param ref"),
    ("t.tenant = 'x'", "without a table name"),
    ("(t).tenant = 'x'", "not allowed"),
    ("tags[1] = 'x'", "indirection"),
    ("pg_sleep(1) is null", "pg_sleep is not allowed"),
    ("hr.lower(note) = 'x'", "hr.lower is not allowed"),
    ("count(*) > 1", "not allowed"),
    ("count(distinct note) > 1", "aggregates"),
    ("row_number() over () = 1", "aggregates"),
    ("lower(variadic tags) = 'x'", "aggregates"),
    ("sum(amount) filter (where true) > 1", "aggregates"),
    ("random() < 0.5", "random is not allowed"),
    ("current_user = 'x'", "only now() and current_date"),
    ("current_setting('x') = 'y'", "current_setting is not allowed"),
    ("current_timestamp > placed", "only now() and current_date"),
    ("amount / 0 = 1", "operator / is not allowed"),
    ("amount + 1 > 2", "can overflow"),
    ("placed + interval '1 day' > now()", "can overflow"),
    ("now() - placed > interval '1 day'", "can overflow"),
    ("now() - interval '999999 days' > placed", "interval"),
    ("now() - interval '1 fortnight' > placed", "interval"),
    ("now() - interval '1' day > placed", "plain types"),
    ("- amount = 1", "prefix operator"),
    ("amount operator(pg_catalog.=) 1", "without a schema"),
    ("note ~ 'x'", "operator ~ is not allowed"),
    ("note similar to 'x'", "SIMILAR"),
    ("note like claim('tenant')", "LIKE pattern is a literal"),
    ("note like 'x' escape '!'", "LIKE pattern is a literal"),
    ("note like 'x\\'", "escape character"),
    ("note::int = 1", "other casts can fail"),
    ("claim('tenant')::bigint = 1", "other casts can fail"),
    ("'2025-02-30'::date = born", "date literal"),
    ("'soon'::date = born", "date literal"),
    ("'2025-01-01 00:00:00'::timestamptz = placed", "offset"),
    ("'x'::uuid = key", "uuid literal"),
    ("'{'::jsonb = document", "jsonb literal"),
    ("99999999999::int = amount", "literal"),
    ("'x'::varchar(3) = note", "plain types"),
    ("'x'::regclass = note", "cannot be cast to regclass"),
    ("note collate \"C\" = 'x'", "collate clause"),
    ("x'1f' = note", "bit strings"),
    ("tenant = claim('tenent')", "not declared"),
    ("tenant = claim(tenant)", "one literal name"),
    ("tenant = claim('a', 'b')", "one literal name"),
    ("tenant = claim()", "one literal name"),
    ("role('analist')", "not declared"),
    ("claim('tenant')", "true or false"),
    ("tenant = claim('regions')", "is a list"),
    ("tenant in (claim('regions'))", "is a list"),
    ("tenant between 'a' and claim('regions')", "is a list"),
    ("tenant is distinct from claim('regions')", "is a list"),
    ("tenant = any(claim('tenant'))", "takes a list"),
    ("tenant = any('{a,b}')", "takes a list"),
    ("tenant like any(claim('regions'))", "not allowed"),
    ("split_part(note, ',', 0) = 'x'", "must be a literal number from 1"),
    ("substr(note, 1, -1) = 'x'", "must be a literal number"),
    ("left(note, amount) = 'x'", "must be a literal number"),
    ("left(note) = 'x'", "takes 2 to 2 arguments"),
    ("now(1) > placed", "now() takes no arguments"),
    ("document -> note = '1'", "literal key"),
    ("case amount when 1 then true end", "CASE WHEN"),
    ("region in (select region from hr.people)", "not listed under lookups"),
    ("region in (select region from members)", "written as schema.table"),
    ("region in (select region from db.hr.members)", "written as schema.table"),
    ("region in (select region from only hr.members)", "written as schema.table"),
    ("region in (select region from hr.members m(a))", "written as schema.table"),
    ("region in (select region from hr.members, hr.members b)", "exactly one table"),
    ("region in (select region from hr.members limit 1)", "a lookup is"),
    ("region in (select distinct region from hr.members)", "a lookup is"),
    ("region in (select region from hr.members group by region)", "a lookup is"),
    ("region in (with x as (select 1) select region from hr.members)", "a lookup is"),
    ("region in (values ('a'))", "a lookup is"),
    ("region in (select region from hr.members union select 'x')", "a lookup is"),
    ("region in (select lower(region) from hr.members)", "plain columns"),
    ("region in (select * from hr.members)", "* is not allowed"),
    ("region in (select region, email from hr.members)", "must select 1 column"),
    ("(region, note) in (select region from hr.members)", "must select 2 column"),
    ("region in (select note from hr.members)", 'lists no column "note"'),
    ("region in (select region from hr.members where email = probe.tenant)", "outer row"),
    ("region in (select region from hr.members where email = tenant)", "lists no column"),
    (
        "region in (select region from hr.members where email in (select email from hr.members))",
        "subquery inside a subquery",
    ),
    ("region = (select region from hr.members)", "a subquery is allowed as"),
    ("region = any (select region from hr.members)", "a subquery is allowed as"),
    ("region > any (select region from hr.members)", "a subquery is allowed as"),
    ("array(select region from hr.members) = tags", "a subquery is allowed as"),
    ("xmlelement(name a) is null", "not allowed"),
    ("amount = 1\x00", "NUL"),
    ("\ud800 = 1", "not valid text"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refused_conditions(text: str, message: str) -> None:
    with pytest.raises(PredicateError) as caught:
        parse_condition(text, SCOPE)
    assert message.lower() in caught.value.message.lower()


@pytest.mark.parametrize(
    ("text", "position", "suggestion"),
    [
        ("tenant = claim('tenent')", 9, "tenant"),
        ("role('analist')", 0, "analyst"),
        ("true and uper(note) = 'X'", 9, "upper"),
        ("region in (select regoin from hr.members)", 18, "region"),
        ("region in (select region from hr.member)", None, "main.hr.members"),
        ("a = 1 and and b = 2", 10, None),
    ],
)
def test_where_and_what_was_meant(text: str, position: int | None, suggestion: str | None) -> None:
    with pytest.raises(PredicateError) as caught:
        parse_condition(text, SCOPE)
    assert caught.value.suggestion == suggestion
    assert position is None or caught.value.position == position


def test_limits() -> None:
    with pytest.raises(PredicateError, match="longer than"):
        parse_condition(f"note = '{'x' * CONDITION_BYTES_MAX}'", SCOPE)
    with pytest.raises(PredicateError, match="parts"):
        parse_condition(" or ".join(f"amount = {n}" for n in range(CONDITION_NODES_MAX)), SCOPE)
    with pytest.raises(PredicateError):
        parse_condition("not " * 1000 + "true", SCOPE)
    assert parse_condition("(" * 2000 + "true" + ")" * 2000, SCOPE) == tree.TRUE


def test_a_lookup_reads_nothing_of_the_outer_row() -> None:
    """A column that the lookup table gains later can never capture an outer name."""
    node = parse_condition("region in (select region from hr.members where email = 'x')", SCOPE)
    assert tree.columns_of(node) == {"region"}
    assert tree.lookups_of(node) == {MEMBERS}
    assert '"lookup"."email"' in tree.to_sql(node)


def test_an_expression_need_not_be_a_condition() -> None:
    assert tree.to_sql(parse_expression("lower(value)", SCOPE)) == 'pg_catalog."lower"("value")'
