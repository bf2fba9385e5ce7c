"""Records encoded once: filled, they are the records that encoding would have given."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.runtime.audit.appender import encode
from proxy.runtime.audit.form import Form, Slot, as_json


@given(
    text=st.text(),
    number=st.integers(0, 2**62),
    share=st.floats(0, 1e9).map(lambda value: round(value, 3)),
    fixed=st.text() | st.integers() | st.lists(st.text()),
)
def test_a_filled_form_is_the_record(text: str, number: int, share: float, fixed: object) -> None:
    def record(query: object, time: object, spent: object) -> dict[str, object]:
        return {
            "time": time,
            "metadata": {"sequence": 0},
            "query_info": {"query_string": query},
            "spent": spent,
            "fixed": {"time": fixed, "100%d": [fixed]},
        }

    form = Form(record(Slot("%b"), Slot("%d"), Slot("%.3f")))
    # In the order of the printed keys: query_info, spent, time.
    filled = form.filled(as_json({"text": text}), share, number)
    assert json.loads(filled) == json.loads(encode(record({"text": text}, number, share)))
    assert b'"sequence":0' in filled


def test_a_text_cannot_pose_as_a_slot() -> None:
    slot = Slot("%d")
    other = Slot("%d")
    assert slot.mark != other.mark
    form = Form({"metadata": {"sequence": 0}, "a": ":1152921504606846976 %d %b", "b": slot})
    assert json.loads(form.filled(5)) == {
        "metadata": {"sequence": 0},
        "a": ":1152921504606846976 %d %b",
        "b": 5,
    }


def test_a_form_takes_as_many_values_as_it_has_slots() -> None:
    form = Form({"metadata": {"sequence": 0}, "a": Slot("%d")})
    with pytest.raises(TypeError):
        form.filled()
    with pytest.raises(TypeError):
        form.filled(1, 2)
