"""Relations between limits that the code relies on."""

from __future__ import annotations

from proxy.wire import limits


def test_every_limit_is_a_positive_number_whose_name_ends_with_its_bound() -> None:
    names = [name for name in vars(limits) if name.isupper()]

    assert len(names) > 15
    for name in names:
        assert getattr(limits, name) > 0
        assert any(word in name.split("_") for word in ("MAX", "MIN", "SLACK")), name


def test_an_unauthenticated_client_may_send_what_it_must() -> None:
    # A token of 8 kB fits, with room for what a provider adds.
    assert limits.PASSWORD_MESSAGE_BYTES_MAX >= 2 * 8_000
    pending = limits.PENDING_BYTES_MAX_BEFORE_AUTHENTICATION
    assert pending >= limits.PASSWORD_MESSAGE_BYTES_MAX + limits.STARTUP_PACKET_BYTES_MAX


def test_ranges_are_not_empty() -> None:
    assert limits.CANCEL_KEY_BYTES_MIN < limits.CANCEL_KEY_BYTES_MAX
    assert limits.SCRAM_ITERATIONS_MIN < limits.SCRAM_ITERATIONS_MAX
    assert limits.SCRAM_SALT_BYTES_MIN < limits.SCRAM_SALT_BYTES_MAX
    assert limits.NAME_BYTES_MAX < limits.SMALL_MESSAGE_BYTES_MAX < limits.MESSAGE_BYTES_MAX
