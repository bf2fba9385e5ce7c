"""Names and sampling of spans; what a real gate tells is in `tests/live/test_telemetry.py`."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from proxy.faults import DeniedFault
from proxy.phases import Phase, Phases
from proxy.runtime.span import Span
from proxy.tracing import Subject, Tracer
from tests.proxy.doubles import make_session


def traced(text: str, trace: str | None = None, **options: float) -> list[Span]:
    """The spans of a statement that was refused."""
    found: list[Span] = []

    def add(spans: Sequence[Span]) -> None:
        found.extend(spans)

    phases = Phases()
    with phases.during(Phase.DECIDE):
        pass
    tracer = Tracer(add, **options)  # type: ignore[arg-type]
    tracer.ended(Subject(make_session(), text, trace), phases, fault=DeniedFault("no"))
    return found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("select 1", "SELECT"),
        ("  ((values (1)))", "VALUES"),
        ("/* a */ -- b\n with x as (select 1) table x", "WITH"),
        ("/* never closed select 1", "postgresql"),
        ("sk_live_4242", "postgresql"),
        ("selecting", "postgresql"),
        ("", "postgresql"),
        ("/**/" * 2_000 + "!", "postgresql"),
        ("(" * 5_000, "postgresql"),
    ],
)
def test_an_operation_is_a_word_of_sql_or_nothing(text: str, name: str) -> None:
    whole, decide = traced(text)
    assert (whole.name, decide.name) == (name, "decide")
    assert decide.parent_id == whole.span_id


def test_a_share_of_new_traces() -> None:
    assert sum(bool(traced("select 1", sampled_share=0.25)) for _ in range(400)) in range(40, 180)
    assert not any(traced("select 1", sampled_share=0.0) for _ in range(100))
    assert all(traced("select 1", sampled_share=1.0) for _ in range(100))


def test_traces_of_others_are_as_they_say() -> None:
    ids = f"00-{'a' * 32}-{'b' * 16}"
    assert traced("select 1", f"{ids}-01", sampled_share=0.0)[0].parent_id == "b" * 16
    assert traced("select 1", f"{ids}-00") == []


def test_a_text_that_was_refused_is_not_told() -> None:
    [whole, _] = traced("select hunter2", has_text=True)
    assert "db.query.text" not in whole.attributes
