"""The review has no dead entry and decides every built-in of every supported version."""

from __future__ import annotations

from proxy.sql.classification import generate, rules


def test_every_function_type_and_operator_was_reviewed(
    snapshots: list[generate.Snapshot],
) -> None:
    for name, text in generate.files(snapshots).items():
        lines = [line for line in text.splitlines() if line.endswith("\tunreviewed")]
        assert not lines, f"{name} has names that no rule decides"


def test_every_pattern_of_every_rule_matches_a_function(
    snapshots: list[generate.Snapshot],
) -> None:
    names = {function.name for function in generate.functions(snapshots).values()}
    dead = [
        pattern
        for rule in (*rules.FUNCTION_RULES, rules.SETTINGS_FUNCTIONS)
        for pattern in rule.names
        if not any(rules.Rule(rule.kind, rule.reason, (pattern,)).matches(name) for name in names)
    ]
    assert not dead


def test_every_signature_rule_names_a_function(snapshots: list[generate.Snapshot]) -> None:
    signatures = {(found.name, found.arguments) for found in generate.functions(snapshots).values()}
    assert set(rules.SIGNATURE_RULES) <= signatures


def test_every_listed_type_exists(snapshots: list[generate.Snapshot]) -> None:
    existing = {str(row[1]) for snapshot in snapshots for row in snapshot.types}
    listed = rules.VALUE_TYPES | rules.CATALOG_TYPES | rules.TEXT_SEARCH_NAME_TYPES
    listed |= rules.TRANSACTION_TYPES | rules.INTERNAL_TYPES | rules.HANDLER_TYPES
    assert listed | rules.UNREACHABLE_TYPES <= existing


def test_every_reason_is_used_or_is_the_last_resort(snapshots: list[generate.Snapshot]) -> None:
    used = {
        line.rsplit("\t", 1)[1]
        for name, text in generate.files(snapshots).items()
        if name != "reasons.tsv"
        for line in text.splitlines()[1:]
    }
    assert set(rules.REASONS) - used == {"unreviewed"}


def test_no_allowed_volatile_function_escapes_its_list(snapshots: list[generate.Snapshot]) -> None:
    volatile = {
        function.name
        for function in generate.functions(snapshots).values()
        if function.volatility == "v" and generate.judge_function(function)[0].value == "allowed"
    }
    assert volatile == {
        *("clock_timestamp", "timeofday", "uuidv7", "random", "random_normal", "gen_random_uuid"),
        *("uuidv4", "array_sample", "array_shuffle"),
        "timezone",  # of a timetz: the zone's offset is that of now (volatile in 14 only)
    }
