"""Metrics as text: the format, sums over processes, labels as declared."""

from __future__ import annotations

import json
import re

import pytest

from proxy.counters import Counters
from proxy.metrics import (
    FAMILIES,
    Samples,
    added,
    as_json,
    as_text,
    family_of,
    from_json,
    of_counters,
    only_growing,
    sample,
)

LINE = re.compile(
    r'(?P<name>[a-z_]+)(?:\{(?P<labels>(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})?'
    r" (?P<value>[-+0-9.e]+)"
)
PERSONAL = {"subject", "principal", "user", "sql", "statement", "text", "address", "database"}


def test_names_follow_the_conventions_and_tell_of_nobody() -> None:
    for name, family in FAMILIES.items():
        assert name.startswith("sallyport_")
        assert name.endswith("_total") is (family.kind == "counter"), name
        assert family.meaning.endswith(".")
        assert not PERSONAL & set(family.labels)


def test_every_line_is_of_the_format() -> None:
    counters = Counters()
    counters.allowed('na"me\\\n')
    counters.refused("42501")
    text = as_text(of_counters(counters))

    assert text.endswith("\n")
    for line in text.splitlines():
        assert line.startswith(("# HELP sallyport_", "# TYPE sallyport_")) or LINE.fullmatch(line)
    refused = 'sallyport_statements_total{decision="refused",source="",sqlstate_class="42"} 1'
    assert refused in text


def test_buckets_add_up() -> None:
    counters = Counters()
    for seconds in (0.0001, 0.002, 3.0, 1000.0):
        counters.latencies["total"].observe(seconds)
    samples = of_counters(counters)
    buckets = [
        value
        for (name, labels), value in samples.items()
        if name.endswith("_bucket") and ("phase", "total") in labels
    ]

    assert buckets == sorted(buckets)
    assert buckets[-1] == samples["sallyport_statement_seconds_count", (("phase", "total"),)] == 4


def test_processes_are_added_up() -> None:
    one, two = Counters(), Counters()
    one.allowed("main")
    two.allowed("main")
    two.allowed("other")
    total = added((of_counters(one), of_counters(two)))
    name = "sallyport_statements_total"

    def labels(source: str) -> tuple[tuple[str, str], ...]:
        return (("decision", "allowed"), ("source", source), ("sqlstate_class", ""))

    assert (total[name, labels("main")], total[name, labels("other")]) == (2, 1)


def test_of_a_dead_process_only_counters_stay() -> None:
    samples = of_counters(Counters())
    sample(samples, "sallyport_sessions", 5)

    kept = only_growing(samples)
    assert ("sallyport_sessions", ()) not in kept
    assert ("sallyport_rows_total", ()) in kept
    assert any(name.endswith("_bucket") for name, _ in kept)


def test_samples_travel_as_json() -> None:
    samples = of_counters(Counters())
    assert from_json(json.loads(json.dumps(as_json(samples)))) == samples
    with pytest.raises(TypeError):
        from_json([["name", "no labels", 1]])


def test_labels_must_be_the_declared_ones() -> None:
    samples: Samples = {}
    with pytest.raises(AssertionError):
        sample(samples, "sallyport_source_up", 1, host="x")
    with pytest.raises(KeyError):
        sample(samples, "sallyport_nonsense", 1)
    with pytest.raises(KeyError):
        family_of("sallyport_rows_total_bucket")


def test_some_figures_of_workers_are_not_added() -> None:
    parts: list[Samples] = [{}, {}]
    for part, age in zip(parts, (10.0, 90.0), strict=True):
        sample(part, "sallyport_keys_age_seconds", age, issuer="a")
        sample(part, "sallyport_certificate_seconds", age)
        sample(part, "sallyport_sessions", age)
    found = added(parts)
    assert found["sallyport_keys_age_seconds", (("issuer", "a"),)] == 90
    assert found["sallyport_certificate_seconds", ()] == 10
    assert found["sallyport_sessions", ()] == 100


def test_lifetimes_have_bounds_of_their_own() -> None:
    counters = Counters()
    for seconds in (-5.0, 3_600.0, 10**9):
        counters.let_in(seconds)
    text = as_text(of_counters(counters))
    assert 'sallyport_token_lifetime_seconds_bucket{le="60"} 1\n' in text
    assert 'sallyport_token_lifetime_seconds_bucket{le="3600"} 2\n' in text
    assert 'sallyport_token_lifetime_seconds_bucket{le="+Inf"} 3\n' in text
    assert "sallyport_sessions_opened_total 3\n" in text
