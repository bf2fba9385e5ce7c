"""Settings of a Postgres connection: those it is born with, those a checkout pins, and the watch
over both.

It must not know sockets. Names are compared case-insensitively, as Postgres does.

Theory of operation. A connection is *born* with every setting that could change a byte of output or
the reach of a statement (session pooling: as startup parameters, so that RESET ALL comes back to
them). A checkout *pins* the few that belong to the client; the difference to what the connection
has is sent before the first statement. The server reports some settings unasked (ParameterStatus);
a report of another value than the one we set, outside a command of our own, means that something
ran which should not have: the connection is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.faults import SourceFault
from proxy.sources.postgres_options import Pooling, PostgresOptions

# What a client's session may choose (the gate's allow-list decides first; this is the second lock).
PINNABLE: Final[Mapping[str, str]] = {
    name.lower(): name
    for name in (
        "DateStyle",
        "IntervalStyle",
        "TimeZone",
        "bytea_output",
        "default_text_search_config",
        "extra_float_digits",
        "lock_timeout",
        "statement_timeout",
        "xmlbinary",
        "xmloption",
    )
}
VALUE_CHARACTERS_MAX: Final = 256
_UNKNOWN: Final = "\0"
"""Stands for a value that we do not know: no value of a setting holds a zero byte."""

# A pooler in transaction mode knows these startup parameters and refuses others (PgBouncer
# documentation, ignore_startup_parameters); the rest is set inside each transaction.
_POOLER_STARTUP: Final = frozenset(
    {"application_name", "client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings"}
)

# Never to change, whoever asks; and what they must be (PostgreSQL documentation, 55.2.7).
_CONSTANT: Final[Mapping[str, str]] = {
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "integer_datetimes": "on",
    "default_transaction_read_only": "on",
}
# Reported, and of the server's own choosing or without effect on us.
_INDIFFERENT: Final = frozenset({"application_name", "in_hot_standby", "scram_iterations"})


def born_settings(options: PostgresOptions) -> dict[str, str | None]:
    """Every setting a connection is born with, client choices at their defaults; None leaves it at
    the server's own."""
    return {
        "application_name": options.application_name,
        "client_encoding": "UTF8",
        "search_path": options.search_path,
        "default_transaction_read_only": "on",
        # Row output.
        "DateStyle": "ISO, MDY",
        "IntervalStyle": "postgres",
        "TimeZone": "UTC",
        "extra_float_digits": "1",
        "bytea_output": "hex",
        "xmlbinary": "base64",
        "xmloption": "content",
        "lc_monetary": "C",
        "lc_numeric": "C",
        "lc_time": "C",
        # How a text is read.
        "standard_conforming_strings": "on",
        "backslash_quote": "safe_encoding",
        "array_nulls": "on",
        "transform_null_equals": "off",
        "quote_all_identifiers": "off",
        # A matter of the data's language: another one would find other rows, without an error.
        "default_text_search_config": None,
        # Notices speak of hidden rows (pitfalls, "Smaller").
        "client_min_messages": "error",
        "lock_timeout": "0",
        # `off` would make a policy of the source's own an error instead of a filter.
        "row_security": "on" if options.row_security else "off",
        "statement_timeout": str(options.statement_timeout_ms),
        # One generic plan over skewed tenants is slow (pitfall 29).
        "plan_cache_mode": "force_custom_plan",
        "jit": "on" if options.jit else "off",
    }


def startup_parameters(options: PostgresOptions) -> dict[str, str]:
    """The parameters of StartupMessage, `user` and `database` first."""
    login = {"user": options.user, "database": options.database}
    born = {name: value for name, value in born_settings(options).items() if value is not None}
    if options.pooling is Pooling.TRANSACTION:
        born = {name: value for name, value in born.items() if name in _POOLER_STARTUP}
    return login | born


def checked_pins(pins: Mapping[str, str], options: PostgresOptions) -> dict[str, str]:
    """The pins under their proper names. Raises SourceFault 22023 for any that may not be chosen.

    `statement_timeout` may only become shorter than the source's own limit; 0 (none) means that
    limit.
    """
    checked: dict[str, str] = {}
    for name, value in pins.items():
        proper = PINNABLE.get(name.lower())
        if proper is None or "\0" in value or len(value) > VALUE_CHARACTERS_MAX:
            raise SourceFault("this setting cannot be pinned at a source", sqlstate="22023")
        checked[proper] = value
    if "statement_timeout" in checked:
        limit = options.statement_timeout_ms
        asked = checked["statement_timeout"]
        if not asked.isdecimal():
            raise SourceFault("statement_timeout is given in milliseconds", sqlstate="22023")
        checked["statement_timeout"] = str(min(int(asked) or limit, limit))
    return checked


@dataclass(slots=True)
class Pins:
    """What the settings of one connection are now, and what the current checkout wants them to be.

    `_now` holds only what differs from birth. None stands for the server's own value.
    """

    born: Mapping[str, str | None]
    wanted: Mapping[str, str] = field(default_factory=dict)
    _now: dict[str, str | None] = field(default_factory=dict)
    _has_set_in_transaction: bool = False

    def difference(self) -> dict[str, str | None]:
        """Settings to change before the next statement; None sets one back to its default."""
        back = {name: self.born[name] for name in self._now}
        target = {**back, **self.wanted}
        current = {**self.born, **self._now}
        return {name: value for name, value in target.items() if current[name] != value}

    def note_set(self, changed: Mapping[str, str | None], *, is_in_transaction: bool) -> None:
        """The server has taken these."""
        self._now.update(changed)
        self._now = {name: value for name, value in self._now.items() if self.born[name] != value}
        self._has_set_in_transaction |= is_in_transaction

    def note_commit(self) -> None:
        """What was set inside the transaction stays."""
        self._has_set_in_transaction = False

    def note_rollback(self) -> None:
        """A rollback takes back what was set inside the transaction (PostgreSQL documentation,
        SET).
        """
        if self._has_set_in_transaction:
            self._now = dict.fromkeys(PINNABLE.values(), _UNKNOWN)
            self._has_set_in_transaction = False

    def note_reset(self) -> None:
        """The server is back at what it was born with."""
        self._now.clear()
        self.wanted = {}
        self._has_set_in_transaction = False


@dataclass(slots=True)
class ParameterWatch:
    """Judges each ParameterStatus. While `is_open` (login, or a command of our own) values may
    move.
    """

    is_strict: bool
    search_path: str = "pg_catalog"
    is_open: bool = True
    values: dict[str, str] = field(default_factory=dict)

    def observe(self, name: str, value: str) -> bool:
        """Note a report; False when it must not be.

        `is_strict` False is for poolers, which report whatever their next server has: only the
        constants count.
        """
        constant = self.search_path if name == "search_path" else _CONSTANT.get(name)
        if constant is not None and value != constant and self._holds(name):
            return False
        has_moved = self.values.get(name, value) != value
        self.values[name] = value
        return not (has_moved and self.is_strict and not self.is_open and name not in _INDIFFERENT)

    def _holds(self, name: str) -> bool:
        # Behind a pooler these two are set per transaction, so what is reported between does not
        # matter.
        return self.is_strict or name not in {"search_path", "default_transaction_read_only"}
