"""No text of a source survives editing; the SQLSTATE does where it may."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.faults import SourceFault
from proxy.sources.condition import (
    MESSAGE_CHARACTERS_MAX,
    TELLABLE_CLASSES,
    conditions,
    edit_error,
    is_sqlstate,
    lost,
    tellable_sqlstate,
)

SECRET = "secret-4711"
FIELD_CODES = "SVMDHPpqWstcdnFLR"


def test_the_table_is_postgres_own() -> None:
    table = conditions()
    assert len(table) > 240
    assert table["22012"] == "division_by_zero"
    assert table["57014"] == "query_canceled"
    assert all(is_sqlstate(sqlstate) for sqlstate in table)


@pytest.mark.parametrize(
    ("sent", "told", "message"),
    [
        ("22012", "22012", "division by zero"),
        ("22P02", "22P02", "invalid text representation"),
        ("42501", "42501", "permission denied at the source"),
        ("57014", "57014", "canceling statement at the source"),
        ("53200", "53200", "out of memory"),
        # The login at the source, its internals and procedural code are nobody's business.
        ("28P01", "58000", "the source could not run the statement"),
        ("XX000", "58000", "the source could not run the statement"),
        ("P0001", "58000", "the source could not run the statement"),
        # Every way of going away is one.
        ("57P01", "08006", "the connection to the source was lost"),
        ("57P03", "08006", "the connection to the source was lost"),
        # Unknown members of known classes.
        ("22ZZZ", "22000", "data exception"),
        # No SQLSTATE at all (attack 90).
        (None, "58000", "the source could not run the statement"),
        ("", "58000", "the source could not run the statement"),
        ("2201", "58000", "the source could not run the statement"),
        ("22O1é", "58000", "the source could not run the statement"),
        ("22012\n", "58000", "the source could not run the statement"),
    ],
)
def test_what_is_told(sent: str | None, told: str, message: str) -> None:
    fields = {code: SECRET for code in FIELD_CODES}
    if sent is not None:
        fields["C"] = sent
    fault = edit_error(fields)
    assert (fault.sqlstate, fault.message) == (told, message)


@given(
    st.dictionaries(st.sampled_from(FIELD_CODES), st.text(min_size=4)),
    st.one_of(st.none(), st.text(string.ascii_uppercase + string.digits, min_size=5, max_size=5)),
)
def test_nothing_of_the_source_is_told(fields: dict[str, str], sqlstate: str | None) -> None:
    """Whatever the fields hold, the fault is a function of the SQLSTATE alone."""
    if sqlstate is not None:
        fields["C"] = sqlstate
    fault = edit_error(fields)
    bare = edit_error({} if sqlstate is None else {"C": sqlstate})
    assert (fault.sqlstate, fault.message) == (bare.sqlstate, bare.message)
    assert (fault.detail, fault.hint, fault.position) == (None, None, None)
    assert fault.sqlstate in conditions()
    assert fault.sqlstate[:2] in TELLABLE_CLASSES


def test_the_considered_exception_tells_the_primary_message_only() -> None:
    fields = {"C": "22P02", "M": 'invalid input syntax: "x"\n', "D": SECRET, "W": SECRET}
    fault = edit_error(fields, is_text_about_visible_data=True)
    assert fault.message == 'invalid input syntax: "x" '
    assert SECRET not in f"{fault.message}{fault.detail}{fault.hint}"


def test_the_exception_is_for_data_exceptions_alone() -> None:
    fields = {"C": "42P01", "M": SECRET}
    assert edit_error(fields, is_text_about_visible_data=True).message == "undefined table"


def test_the_exception_is_bounded() -> None:
    fields = {"C": "22P02", "M": "x" * 100_000}
    message = edit_error(fields, is_text_about_visible_data=True).message
    assert len(message) == MESSAGE_CHARACTERS_MAX


def test_lost_is_a_connection_failure() -> None:
    fault = lost("our words")
    assert isinstance(fault, SourceFault)
    assert (fault.sqlstate, fault.detail) == ("08006", "our words")
    assert tellable_sqlstate(fault.sqlstate) == "08006"
