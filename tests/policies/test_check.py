"""A policy against a live schema."""

from __future__ import annotations

from policies.check import check
from policies.errors import Problem
from policies.model import RelationKey
from tests.policies.writing import HEADER, ORDERS, policy

MEMBERS = RelationKey("main", "hr", "members")
SCHEMA = {
    ORDERS: {
        "id": "bigint",
        "tenant": "text",
        "phone": "character varying(40)",
        "amount": "numeric(12,2)",
        "born": "date",
        "doc": "json",
    },
    MEMBERS: {"email": "text", "region": "text"},
}


def found(table: str, schema: object = SCHEMA, *, header: str = HEADER) -> list[Problem]:
    text = f"tables:\n  public.orders:\n    {table}\n"
    return check(policy(text, header=header), schema)  # type: ignore[arg-type]


def fatal(problems: list[Problem]) -> list[str]:
    return [str(problem) for problem in problems if not problem.is_warning]


ALL_COLUMNS = "id: visible, tenant: visible, amount: visible, born: visible, doc: visible"


def test_a_policy_that_fits() -> None:
    problems = found(
        f"columns: {{{ALL_COLUMNS}, phone: {{mask: last_four}}}}\n"
        "    rules: [{grant: g, roles: everyone, where: \"tenant = claim('tenant')\"}]"
    )
    assert problems == []


def test_unlisted_columns_are_told_and_stay_hidden() -> None:
    (problem,) = found(
        "columns: {id: visible, doc: absent}\n    rules: [{grant: g, roles: everyone}]"
    )
    assert problem.is_warning
    assert "hidden: tenant, phone, amount, born" in problem.message


def test_unknown_names_with_their_near_misses() -> None:
    problems = found(
        f"columns: {{{ALL_COLUMNS}, fone: visible, phone: absent, gone: absent}}\n"
        "    rules: [{grant: g, roles: everyone, where: tennant = 'x'}]"
    )
    fatal_ones = [problem for problem in problems if not problem.is_warning]
    assert [(p.field, p.suggestion) for p in fatal_ones] == [
        ("columns.fone", "phone"),
        ("where", "tenant"),
    ]
    assert all(problem.line > 0 for problem in fatal_ones)
    assert fatal_ones[1].rule == "public.orders / g"
    assert any('absent column "gone"' in problem.message for problem in problems)


def test_an_unknown_table_and_a_policy_that_matches_nothing() -> None:
    schema = {RelationKey("main", "public", "order"): {"id": "bigint"}, MEMBERS: SCHEMA[MEMBERS]}
    text = "\n".join(
        fatal(found("columns: {id: visible}\n    rules: [{grant: g, roles: everyone}]", schema))
    )
    assert 'did you mean "main.public.order"' in text
    assert "matches no table" in text
    assert fatal(found("columns: {id: visible}\n    rules: [{grant: g, roles: everyone}]", {}))


def test_comparisons_of_types_that_do_not_fit() -> None:
    text = "\n".join(
        fatal(
            found(
                "columns: {id: visible}\n    rules: [{grant: g, roles: everyone,"
                " where: \"tenant = claim('level') AND born < now()\"}]"
            )
        )
    )
    assert "compares text with number" in text
    assert "session's time zone" in text


MASKS = """\
version: 1
roles: {}
keys: [k]
masks:
  year: {generalise: {date: year}}
  tens: {generalise: {number: 10}}
  nine: {constant: {value: 9, type: int}}
  paths: {json: {keep: [a]}}
  fuzzy: {noise: {key: k, amount: 1, row_key: [idd]}}
  other: {custom: {expression: "case when amuont > 1 then value end", type: same}}
  fine: {constant: {value: 9, type: numeric}}
"""


def mask_problems(column: str, mask: str) -> list[str]:
    return fatal(
        found(
            f"columns: {{{column}: {{mask: {mask}}}}}\n    rules: [{{grant: g, roles: everyone}}]",
            header=MASKS,
        )
    )


def test_masks_on_types_they_are_not_made_for() -> None:
    assert "is for" in mask_problems("tenant", "year")[0]
    assert "is for" in mask_problems("tenant", "tens")[0]
    assert "is for jsonb" in mask_problems("doc", "paths")[0]
    assert "is for" in mask_problems("born", "email")[0]
    assert "not every numeric(12,2) casts" in mask_problems("amount", "nine")[0]
    assert "not every bigint casts" in mask_problems("id", "nine")[0]
    for column, mask in [("born", "year"), ("amount", "tens"), ("id", "fine"), ("doc", '"null"')]:
        assert mask_problems(column, mask) == []


def test_columns_that_masks_read() -> None:
    assert (
        '(fuzzy): column "idd" does not exist; did you mean "id"?'
        in mask_problems("amount", "fuzzy")[0]
    )
    assert 'did you mean "amount"' in mask_problems("id", "other")[0]


def test_lookup_tables() -> None:
    schema = {ORDERS: SCHEMA[ORDERS], MEMBERS: {"email": "text", "regions": "text"}}
    grant = "columns: {id: visible}\n    rules: [{grant: g, roles: everyone}]"
    (problem,) = [p for p in found(grant, schema) if not p.is_warning]
    assert (problem.rule, problem.suggestion) == ("lookups / hr.members", "regions")
    (missing,) = [p for p in found(grant, {ORDERS: SCHEMA[ORDERS]}) if not p.is_warning]
    assert "main.hr.members does not exist" in missing.message


def test_a_condition_whose_meaning_the_client_could_change() -> None:
    problems = found(
        f"columns: {{{ALL_COLUMNS}, phone: {{mask: last_four}}}}\n"
        "    rules:\n"
        "      - {grant: g, roles: everyone}\n"
        "      - {deny: old, roles: everyone, where: \"born::text LIKE '19%'\"}"
    )

    assert [p.message for p in problems if not p.is_warning] == [
        "casts date to text: the result follows settings of the session"
    ]


def test_a_custom_mask_whose_result_the_client_could_change() -> None:
    masks = "masks:\n  year: {custom: {expression: 'left(value::text, 4)', type: text}}\n"
    problems = found(
        f"columns: {{{ALL_COLUMNS.replace('born: visible', 'born: {mask: year}')}}}\n"
        "    rules: [{grant: g, roles: everyone}]",
        header=HEADER + masks if "masks:" not in HEADER else HEADER.replace("masks:\n", masks),
    )

    assert any("casts date to text" in p.message for p in problems)


def test_one_role_must_not_see_tables_of_one_name_in_two_sources() -> None:
    other = RelationKey("other", ORDERS.schema, ORDERS.name)
    schema = {ORDERS: {"id": "bigint"}, other: {"id": "bigint"}}
    text = """\
tables:
  public.orders:
    columns: {id: visible}
    rules: [{grant: g, roles: [analyst]}]
  other.public.orders:
    columns: {id: visible}
    rules: [{grant: h, roles: %s}]
"""

    def told(roles: str) -> list[str]:
        problems = fatal(check(policy(text % roles), schema))
        return [problem for problem in problems if "under one name" in problem]

    names = "main.public.orders and other.public.orders"
    (problem,) = told("[analyst]")
    assert f'the role "analyst" would see {names}' in problem
    (problem,) = told("[analyst, support]")
    assert told("[support]") == []
    (problem,) = told("everyone")
    assert f'the role "analyst" would see {names}' in problem
