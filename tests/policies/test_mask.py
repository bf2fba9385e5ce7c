"""Every mask on a real Postgres: the usual values, and those that make careless SQL raise."""

from __future__ import annotations

from itertools import permutations

import postgast
import pytest

from policies import expression as tree
from policies.claims import KEY_TYPE
from policies.keyed import pseudonym, slot_value, slots
from policies.mask import (
    DATE_UNITS,
    ConstantMask,
    CustomMask,
    DateMask,
    EmailMask,
    HashMask,
    JsonMask,
    Mask,
    MaskContext,
    NoiseMask,
    NullMask,
    NumberMask,
    PartialMask,
    is_as_strict,
    keeps_type,
    strictest,
)
from policies.model import RelationKey
from tests.policies.conftest import Execute
from tests.policies.writing import MASTER

CONTEXT = MaskContext(RelationKey("main", "public", "t"), "value column")
LAST_FOUR = PartialMask("last_four", 0, 4, 4, "****")
FIRST_ONE = PartialMask("first_one", 1, 0, 1, "***")
BOTH = PartialMask("both", 1, 2, 1, "…")
EMAIL = EmailMask("email", keep_domain=True, fill="***")
NO_DOMAIN = EmailMask("no_domain", keep_domain=False, fill="***")
HASHED = HashMask("hashed", "pseudonym", None, 64)
TENS = NumberMask("tens", "10")
CENTS = NumberMask("cents", "0.05")
CASE = tree.Case(((tree.Test(tree.Column("other"), "NULL"), tree.Column("value")),), tree.NULL)
CONSTANT = ConstantMask("constant", tree.TypedLiteral("text", "hi\\dden"))


def run(execute: Execute, mask: Mask, literal: str, extra: str = "") -> tuple[object, object]:
    """The masked value as text, and its type, for one stored value."""
    claims = {}
    if isinstance(mask, HashMask | NoiseMask):
        claims = {
            slot.name: (slot_value(MASTER, slot), KEY_TYPE)
            for slot in slots(mask.key, mask.domain_of(CONTEXT))
        }
    # OFFSET 0 keeps the planner from folding the mask over a constant.
    rows = execute(
        f"SELECT m::text, pg_typeof(m)::text FROM (SELECT {mask.sql(CONTEXT)} AS m FROM"
        f" (SELECT {literal} AS {CONTEXT.sql}{extra} OFFSET 0) AS t) AS x",
        claims,
    )
    return rows[0][0], rows[0][1]


VALUES: list[tuple[Mask, str, str | None, str]] = [
    (NullMask("null"), "'secret'::text", None, "text"),
    (NullMask("null"), "'secret'::varchar(20)", None, "character varying"),
    (NullMask("null"), "7::numeric(5,2)", None, "numeric"),
    (NullMask("null"), "'{\"a\":1}'::json", None, "json"),
    (CONSTANT, "'secret'::text", "hi\\dden", "text"),
    (CONSTANT, "NULL::text", "hi\\dden", "text"),
    (LAST_FOUR, "'123456789'::text", "****6789", "text"),
    (LAST_FOUR, "'12345678'::text", "****5678", "text"),
    (LAST_FOUR, "'1234567'::text", "****", "text"),
    (LAST_FOUR, "'1234'::text", "****", "text"),
    (LAST_FOUR, "''::text", "****", "text"),
    (LAST_FOUR, "NULL::text", None, "text"),
    (LAST_FOUR, "'1234567äöü€'::text", "****äöü€", "text"),
    (LAST_FOUR, "'ab'::char(20)", "****", "text"),
    (LAST_FOUR, "1234567890::bigint", "****7890", "text"),
    (LAST_FOUR, "'b3b1c1a0-0000-4000-8000-00000000abcd'::uuid", "****abcd", "text"),
    (FIRST_ONE, "'Ödön'::text", "Ö***", "text"),
    (FIRST_ONE, "'Al'::text", "A***", "text"),
    (FIRST_ONE, "'A'::text", "***", "text"),
    (BOTH, "'abcdef'::text", "a…ef", "text"),
    (BOTH, "'abc'::text", "…", "text"),
    (EMAIL, "'jane.roe@example.com'::text", "j***@example.com", "text"),
    (EMAIL, "'j@example.com'::text", "***", "text"),
    (EMAIL, "'jane@'::text", "***", "text"),
    (EMAIL, "'@example.com'::text", "***", "text"),
    (EMAIL, "'jane@a@b.com'::text", "***", "text"),
    (EMAIL, "'mail jane@example.com or call 555 0100'::text", "***", "text"),
    (EMAIL, "'no address'::text", "***", "text"),
    (EMAIL, "''::text", "***", "text"),
    (EMAIL, "NULL::text", None, "text"),
    (EMAIL, "'jane@EXAMPLE.com'::varchar", "j***@EXAMPLE.com", "text"),
    (NO_DOMAIN, "'jane@example.com'::text", "j***", "text"),
    (TENS, "37::integer", "30", "numeric"),
    (TENS, "(-37)::integer", "-40", "numeric"),
    (TENS, "40::integer", "40", "numeric"),
    (TENS, "0::integer", "0", "numeric"),
    (TENS, "(-2147483648)::integer", "-2147483650", "numeric"),
    (TENS, "9223372036854775807::bigint", "9223372036854775800", "numeric"),
    (TENS, "9.99999999999999999999999999999999999::numeric", "0", "numeric"),
    (TENS, "'NaN'::numeric", None, "numeric"),
    (TENS, "'NaN'::double precision", None, "numeric"),
    (TENS, "'Infinity'::double precision", None, "numeric"),
    (TENS, "'-Infinity'::numeric", None, "numeric"),
    (TENS, "1e308::double precision", None, "numeric"),
    (TENS, "repeat('9', 131072)::numeric", None, "numeric"),
    (TENS, "NULL::integer", None, "numeric"),
    (CENTS, "1.99::numeric(6,2)", "1.95", "numeric"),
]


@pytest.mark.parametrize(("mask", "literal", "shown", "type_name"), VALUES)
def test_mask_on_postgres(
    execute: Execute, mask: Mask, literal: str, shown: str | None, type_name: str
) -> None:
    value, found_type = run(execute, mask, literal)
    if isinstance(mask, NumberMask) and value is not None and shown is not None:
        assert float(str(value)) == float(shown)
    else:
        assert value == shown
    assert found_type == type_name
    assert mask.type_name is None or mask.type_name == found_type


DATES: list[tuple[str, str, str, str | None]] = [
    ("date", "year", "'2025-06-15'", "2025-01-01"),
    ("date", "quarter", "'2025-06-15'", "2025-04-01"),
    ("date", "month", "'2025-06-15'", "2025-06-01"),
    ("date", "week", "'2025-06-15'", "2025-06-09"),
    ("date", "year", "'infinity'", None),
    ("date", "year", "'-infinity'", None),
    ("date", "year", "'5874897-12-31'", None),
    ("date", "year", "'4713-11-24 BC'", None),
    ("date", "year", "NULL", None),
    ("timestamp", "day", "'2025-06-15 23:59:59'", "2025-06-15 00:00:00"),
    ("timestamp", "year", "'294276-12-31'", None),
    ("timestamp", "year", "'4713-11-24 BC'", None),
    ("timestamp", "month", "'infinity'", None),
    ("timestamptz", "month", "'2025-06-01 01:00:00+02'", "2025-05-01 00:00:00+00"),
    ("timestamptz", "year", "'294276-12-31 00:00:00+00'", None),
    ("timestamptz", "year", "'4713-11-24 00:00:00+00 BC'", None),
    ("timestamptz", "year", "'-infinity'", None),
]
FULL_NAMES = {
    "date": "date",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}


@pytest.mark.parametrize(("type_name", "unit", "literal", "shown"), DATES)
def test_dates_are_generalised_without_raising(
    execute: Execute, type_name: str, unit: str, literal: str, shown: str | None
) -> None:
    execute("SET TIME ZONE 'UTC'")
    mask = DateMask("d", unit, FULL_NAMES[type_name])
    assert run(execute, mask, f"{literal}::{type_name}") == (shown, FULL_NAMES[type_name])


def test_a_clients_time_zone_does_not_move_a_generalised_instant(execute: Execute) -> None:
    mask = DateMask("d", "month", "timestamp with time zone")
    shown = set()
    for zone in ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"):
        execute(f"SET TIME ZONE '{zone}'")
        sql = mask.sql(CONTEXT)
        rows = execute(
            f"SELECT extract(epoch FROM m) FROM (SELECT {sql} AS m FROM (SELECT"
            f" '2025-06-01 01:00:00+00'::timestamptz AS {CONTEXT.sql}) AS t) AS x"
        )
        shown.add(rows[0][0])
    execute("SET TIME ZONE 'UTC'")
    assert len(shown) == 1


@pytest.mark.parametrize(
    "text", ["", "a", "secret-1", "ä€😀", "x" * 5_000, "back\\slash", "quo'te", "\n\t"]
)
def test_the_hash_is_pythons_hmac(execute: Execute, text: str) -> None:
    shown, type_name = run(execute, HASHED, tree.quote_text(text) + "::text")
    assert shown == pseudonym(MASTER, HASHED.domain_of(CONTEXT), text)
    assert type_name == "text"


def test_the_hash_of_null_is_null(execute: Execute) -> None:
    assert run(execute, HASHED, "NULL::text") == (None, "text")


def test_pseudonyms_join_only_within_a_named_domain() -> None:
    other = MaskContext(CONTEXT.relation, "other column")
    assert HASHED.domain_of(CONTEXT) != HASHED.domain_of(other)
    shared = HashMask("shared", "pseudonym", "person", 32)
    assert shared.domain_of(CONTEXT) == shared.domain_of(other) == "shared:person"


def noise(execute: Execute, mask: NoiseMask, value: str, row: str) -> float | None:
    shown, type_name = run(execute, mask, value, f", {row} AS id")
    assert type_name == "numeric"
    return None if shown is None else float(str(shown))


def test_noise_is_fixed_per_row_bounded_and_centred(execute: Execute) -> None:
    mask = NoiseMask("noise", "pseudonym", "10", False, ("id",), 4)
    first = [noise(execute, mask, "1000::integer", f"{row}::bigint") for row in range(60)]
    again = [noise(execute, mask, "1000::integer", f"{row}::bigint") for row in range(60)]
    assert first == again, "asking again must not average the noise out"
    numbers = [number for number in first if number is not None]
    assert len(set(numbers)) == 60
    assert all(990 <= number <= 1010 for number in numbers)
    assert abs(sum(numbers) / len(numbers) - 1000) < 3
    assert max(numbers) - min(numbers) > 12


@pytest.mark.parametrize(
    "literal",
    ["'NaN'::numeric", "'Infinity'::double precision", "repeat('9', 131072)::numeric", "NULL::int"],
)
def test_noise_never_raises(execute: Execute, literal: str) -> None:
    mask = NoiseMask("noise", "pseudonym", "5", True, ("id",), 2)
    assert noise(execute, mask, literal, "1::bigint") is None


def test_noise_without_row_key_value_shows_null(execute: Execute) -> None:
    mask = NoiseMask("noise", "pseudonym", "5", True, ("id",), 2)
    assert noise(execute, mask, "10::int", "NULL::bigint") is None


JSON: list[tuple[JsonMask, str, str | None]] = [
    (JsonMask("j", (("a",),), ()), '{"a": 1, "b": 2}', '{"b": 2}'),
    (JsonMask("j", (("a", "b"),), ()), '{"a": {"b": 1, "c": 2}}', '{"a": {"c": 2}}'),
    (JsonMask("j", (("a", "b"),), ()), '{"a": [{"b": 1}]}', None),
    (JsonMask("j", (("a", "b"),), ()), '{"a": 7}', '{"a": 7}'),
    (JsonMask("j", (("a", "b", "c"),), ()), '{"a": {"b": [1]}}', None),
    (JsonMask("j", (("a", "0"),), ()), '{"a": ["secret"]}', None),
    (JsonMask("j", (("a",), ("b", "c")), ()), '{"a": 1, "b": {"c": 1}}', '{"b": {}}'),
    (JsonMask("j", (("a",),), ()), '[{"a": 1}]', None),
    (JsonMask("j", (("a",),), ()), '"a"', None),
    (JsonMask("j", (("a",),), ()), "null", None),
    (JsonMask("j", (), ("b", "c")), '{"a": 1, "b": {"x": null}}', '{"b": {"x": null}}'),
    (JsonMask("j", (), ("b",)), '["b"]', None),
    (JsonMask("j", (("it's", 'q"'),), ()), '{"it\'s": {"q\\"": 1}}', '{"it\'s": {}}'),
]


@pytest.mark.parametrize(("mask", "document", "shown"), JSON)
def test_json_paths_are_removed_without_raising(
    execute: Execute, mask: JsonMask, document: str, shown: str | None
) -> None:
    literal = f"{tree.quote_text(document)}::jsonb"
    assert run(execute, mask, literal) == (shown, "jsonb")


def test_a_custom_mask_of_the_same_type(execute: Execute) -> None:
    mask = CustomMask("own", CASE, None)
    extra = ", NULL::int AS other"
    assert run(execute, mask, "7::smallint", extra) == ("7", "smallint")
    assert run(execute, mask, "7::smallint", ", 1 AS other") == (None, "smallint")
    assert mask.columns(CONTEXT) == {"value column", "other"}


def test_a_custom_mask_is_cast_to_text(execute: Execute) -> None:
    mask = CustomMask("own", tree.Call("length", (tree.ToText(tree.Column("value")),)), "text")
    assert run(execute, mask, "'abc'::text") == ("3", "text")


def test_a_custom_mask_decides_roles_and_may_become_null(execute: Execute) -> None:
    body = tree.Case(((tree.Role("auditor"), tree.Column("value")),), tree.NULL)
    mask = CustomMask("own", body, None)
    assert run(execute, mask, "7::int") == (None, "integer")
    auditor = MaskContext(CONTEXT.relation, "c", frozenset({"auditor"}))
    assert mask.sql(auditor) == '"c"'


def test_keeps_type() -> None:
    assert keeps_type(CASE)
    assert not keeps_type(tree.Column("other"))
    assert not keeps_type(tree.Case(((tree.TRUE, tree.TRUE),), tree.NULL))


MONTH, YEAR, WEEK, DAY = (
    DateMask(unit, unit, "timestamp with time zone") for unit in ("month", "year", "week", "day")
)
ORDERED: list[tuple[Mask, Mask]] = [
    (NullMask("null"), CONSTANT),
    (NullMask("null"), HASHED),
    (CONSTANT, LAST_FOUR),
    (PartialMask("last_two", 0, 2, 6, "*"), LAST_FOUR),
    (YEAR, MONTH),
    (WEEK, DAY),
    (NumberMask("thousands", "1000"), TENS),
]
UNORDERED: list[tuple[Mask, Mask]] = [
    (CONSTANT, ConstantMask("other", tree.TypedLiteral("text", "x"))),
    (LAST_FOUR, FIRST_ONE),
    (LAST_FOUR, PartialMask("eager", 0, 2, 1, "*")),
    (LAST_FOUR, HASHED),
    (HASHED, EMAIL),
    (MONTH, WEEK),
    (NumberMask("threes", "3"), TENS),
    (YEAR, DateMask("date", "month", "date")),
]


@pytest.mark.parametrize(("strict", "weak"), ORDERED)
def test_ordered_masks(strict: Mask, weak: Mask) -> None:
    assert is_as_strict(strict, weak, ())
    assert not is_as_strict(weak, strict, ())
    assert strictest([weak, strict], ()) == strict


@pytest.mark.parametrize(("one", "other"), UNORDERED)
def test_unordered_masks_need_the_policys_order(one: Mask, other: Mask) -> None:
    assert strictest([one, other], ()) is None
    assert strictest([one, other], (other.name, one.name)) == other
    assert strictest([one, other], (one.name, other.name)) == one


def test_the_strictest_does_not_depend_on_the_sequence() -> None:
    masks: list[Mask] = [NullMask("null"), CONSTANT, LAST_FOUR]
    assert {strictest(list(some), ()) for some in permutations(masks)} == {masks[0]}


def every_mask() -> list[Mask]:
    masks = [mask for mask, *_ in VALUES] + [HASHED, NoiseMask("n", "k", "5", True, ("id",), 2)]
    masks += [DateMask("d", unit, name) for unit in DATE_UNITS for name in FULL_NAMES.values()]
    return list(dict.fromkeys([*masks, *(mask for mask, *_ in JSON)]))


@pytest.mark.parametrize("mask", every_mask(), ids=lambda mask: f"{mask.kind}-{mask.name}")
def test_the_sql_prints_and_parses_alike(mask: Mask) -> None:
    """The gate demands it of every text that it sends (pitfall 21)."""
    once = postgast.deparse(postgast.parse("SELECT " + mask.sql(CONTEXT)))
    assert postgast.deparse(postgast.parse(once)) == once
    assert "SELECT" in once


def test_noise_never_shares_a_key_with_a_pseudonym() -> None:
    mask = NoiseMask("noise", "pseudonym", "10", False, ("id",), 4)
    assert mask.domain_of(CONTEXT) != HASHED.domain_of(CONTEXT)
    assert mask.claims(CONTEXT).isdisjoint(HASHED.claims(CONTEXT))
    chosen = HashMask("chosen", "pseudonym", mask.domain_of(CONTEXT), 32)
    column_named = HashMask("named", "pseudonym", HASHED.domain_of(CONTEXT), 32)
    domains = {m.domain_of(CONTEXT) for m in (mask, HASHED, chosen, column_named)}
    assert len(domains) == 4
    elsewhere = MaskContext(RelationKey("main", "public", "u"), CONTEXT.column)
    assert mask.domain_of(elsewhere) != mask.domain_of(CONTEXT)
