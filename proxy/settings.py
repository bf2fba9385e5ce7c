"""The session's settings, all virtual: what SET, SHOW, RESET and the startup packet may name, and
what they mean here.

`SETTINGS` is an allow-list (I3). A name is *free* (kept, told back), *pinned* (changes output, so
every upstream checkout runs with it), *fixed* (told, and accepted only with the value it has), or
*forbidden* (exists in Postgres, and would change who the client is or what is enforced). Every
other name is unknown.

This file must not know sockets, sources or SQL trees: a value arrives as the text that the client
wrote.

Theory of operation. `Settings` holds three layers: defaults of the session (startup values over
`SETTINGS`), session values, and values of `SET LOCAL`. BEGIN and SAVEPOINT push a copy of the two
upper layers; ROLLBACK and ROLLBACK TO restore one (PostgreSQL documentation, SET: "the effects …
disappear when the transaction is rolled back"). Layers are small dictionaries, replaced and never
changed in place, so a copy is a reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from proxy.faults import DeniedFault, Fault, LimitFault, NotFoundFault
from proxy.setting_values import (
    DATE_STYLE,
    boolean,
    choice,
    date_style,
    duration,
    encoding,
    identifier_list,
    integer,
    only,
    text,
    text_search_configuration,
    time_zone,
)

SAVEPOINTS_MAX = 200
"""Nested savepoints of one transaction; each holds two dictionary references and an upstream
savepoint."""


class Effect(Enum):
    """What a setting does: nothing beyond being told back, or a pin of each upstream checkout."""

    FREE = "free"
    PINNED = "pinned"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the allow-list. `check` returns the canonical text or raises ValueError.

    `completed`, where not None, stands in for `check` when there is a current value and a default
    (its second and third argument): a new value may leave parts of them as they are.
    """

    name: str
    default: str
    check: Callable[[str], str]
    effect: Effect = Effect.FREE
    is_reported: bool = False
    is_startup: bool = True
    completed: Callable[[str, str, str], str] | None = None


_ISOLATIONS = ("serializable", "repeatable read", "read committed", "read uncommitted")
_MESSAGES = ("debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error")
_TRACE_CHARACTERS_MAX = 256


def _free(name: str, default: str, check: Callable[[str], str]) -> Setting:
    return Setting(name, default, check)


def _pinned(
    name: str, default: str, check: Callable[[str], str], *, is_reported: bool = False
) -> Setting:
    return Setting(name, default, check, Effect.PINNED, is_reported)


def _fixed(name: str, value: str, *, is_reported: bool = False) -> Setting:
    return Setting(name, value, only(value), Effect.FIXED, is_reported, is_startup=False)


# Reported names: PostgreSQL documentation, "Asynchronous Operations" (ParameterStatus), version 16.
_ROWS = (
    Setting("application_name", "", text(63), is_reported=True),
    Setting("client_encoding", "UTF8", encoding, is_reported=True),
    Setting(
        "DateStyle", DATE_STYLE, date_style, Effect.PINNED, is_reported=True, completed=date_style
    ),
    _pinned(
        "IntervalStyle",
        "postgres",
        choice("postgres", "postgres_verbose", "sql_standard", "iso_8601"),
        is_reported=True,
    ),
    _pinned("TimeZone", "UTC", time_zone, is_reported=True),
    _pinned("extra_float_digits", "1", integer(-15, 3)),
    _pinned("bytea_output", "hex", choice("hex", "escape")),
    _pinned("xmlbinary", "base64", choice("base64", "hex")),
    _pinned("xmloption", "content", choice("content", "document")),
    # Unset: the source's own, whose language decides which rows `search @@ to_tsquery(…)` finds.
    _pinned("default_text_search_config", "", text_search_configuration),
    _free("search_path", '"$user", public', identifier_list),
    _free("client_min_messages", "notice", choice(*_MESSAGES)),
    _free("statement_timeout", "0", duration),
    _free("lock_timeout", "0", duration),
    _free("idle_in_transaction_session_timeout", "0", duration),
    _free("idle_session_timeout", "0", duration),
    _free("default_transaction_isolation", "read committed", choice(*_ISOLATIONS)),
    _free("transaction_isolation", "read committed", choice(*_ISOLATIONS)),
    _free("default_transaction_deferrable", "off", boolean),
    _free("transaction_deferrable", "off", boolean),
    _free("escape_string_warning", "on", boolean),
    # Accepted without effect: clients switch them around their own catalog queries.
    _free("jit", "off", boolean),
    _free("check_function_bodies", "on", boolean),
    _free("sallyport.trace", "", text(_TRACE_CHARACTERS_MAX)),
    _free("sallyport.purpose", "", text(_TRACE_CHARACTERS_MAX)),
    _fixed("default_transaction_read_only", "on", is_reported=True),
    _fixed("transaction_read_only", "on"),
    _fixed("standard_conforming_strings", "on", is_reported=True),
    _fixed("integer_datetimes", "on", is_reported=True),
    _fixed("in_hot_standby", "off", is_reported=True),
    _fixed("is_superuser", "off", is_reported=True),
    _fixed("server_encoding", "UTF8", is_reported=True),
    _fixed("scram_iterations", "4096", is_reported=True),
    _fixed("row_security", "on"),
    _fixed("backslash_quote", "safe_encoding"),
    _fixed("transform_null_equals", "off"),
    _fixed("array_nulls", "on"),
    _fixed("lc_messages", "C"),
    _fixed("lc_monetary", "C"),
    _fixed("lc_numeric", "C"),
    _fixed("lc_time", "C"),
    _fixed("lc_collate", "C"),
    _fixed("lc_ctype", "C"),
    _fixed("max_identifier_length", "63"),
    _fixed("max_index_keys", "32"),
    _fixed("block_size", "8192"),
    _fixed("wal_level", "replica"),
    _fixed("ssl_renegotiation_limit", "0"),
    _fixed("synchronous_commit", "on"),
    _fixed("default_tablespace", ""),
    _fixed("default_table_access_method", "heap"),
)
SETTINGS: Mapping[str, Setting] = {row.name.lower(): row for row in _ROWS}

FORBIDDEN = frozenset(
    {
        "role",
        "session_authorization",
        "session_replication_role",
        "session_preload_libraries",
        "local_preload_libraries",
        "shared_preload_libraries",
        "dynamic_library_path",
        "plan_cache_mode",
        "log_statement",
        "log_min_messages",
        "log_min_duration_statement",
        "work_mem",
        "maintenance_work_mem",
        "temp_buffers",
        "temp_file_limit",
        "max_parallel_workers_per_gather",
        "effective_io_concurrency",
        "allow_system_table_mods",
        "zero_damaged_pages",
        "default_transaction_use_ctas",
        "track_activities",
        "transaction_timeout",
        "lo_compat_privileges",
        "createrole_self_grant",
        "event_triggers",
        "restrict_nonsystem_relation_kind",
        "seed",
    }
)
"""Settings of Postgres that stay the operator's: told apart from unknown names, so that a typing
error is found."""

OF_THE_TRANSACTION = frozenset({"transaction_isolation", "transaction_deferrable"})
"""They last as long as the transaction, however they are set."""

# PostgreSQL source, guc_tables.c: GUC_NO_RESET.
_WITHOUT_RESET = OF_THE_TRANSACTION | {"transaction_read_only"}
_FACTS_TOLD = frozenset({"server_version", "session_authorization"})
_PREFIXES_FORBIDDEN = ("enable_", "log_", "debug_", "geqo", "ssl", "track_", "vacuum_", "wal_")
_ALIASES = {"time zone": "timezone", "timezone": "timezone", "names": "client_encoding"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$.]{0,62}\Z")


def find(name: str) -> Setting:
    """The setting called `name` (any case). Raises NotFoundFault 42704 or DeniedFault 42501."""
    key = _ALIASES.get(name.lower(), name.lower())
    if key in SETTINGS:
        return SETTINGS[key]
    if _is_operators(key):
        raise DeniedFault(f'permission denied to set parameter "{key}"')
    shown = name if _NAME.match(name) else "?"
    raise NotFoundFault(f'unrecognized configuration parameter "{shown}"', sqlstate="42704")


def _is_operators(key: str) -> bool:
    return key in FORBIDDEN or (key not in SETTINGS and key.startswith(_PREFIXES_FORBIDDEN))


def checked(setting: Setting, value: str, current: str = "", default: str = "") -> str:
    """`value` in canonical form, completed from the `current` value and the `default` where given.
    Raises DeniedFault for a fixed setting, Fault 22023 for a bad value."""
    try:
        if setting.completed is not None and current:
            return setting.completed(value, current, default)
        return setting.check(value)
    except ValueError as refusal:
        if setting.effect is Effect.FIXED:
            raise DeniedFault(f'parameter "{setting.name}" cannot be changed') from refusal
        detail = str(refusal) or None
        raise Fault(
            f'invalid value for parameter "{setting.name}": "{value[:_TRACE_CHARACTERS_MAX]}"',
            sqlstate="22023",
            hint=detail,
        ) from refusal


Layer = Mapping[str, str]

_NOTHING: Layer = {}


def _without(layer: Layer, key: str) -> Layer:
    """The same layer where the key is not in it, so that nothing seems to have changed."""
    return {other: v for other, v in layer.items() if other != key} if key in layer else layer


class Settings:
    """All settings of one session.

    `facts` are what the server tells of itself (server_version, session_authorization): fixed.
    `defaults` are the operator's own, by lower-case name and in canonical form, as ALTER DATABASE
    … SET would have them. RESET returns to these, or to what the startup packet said instead.
    """

    def __init__(
        self, facts: Mapping[str, str], defaults: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._defaults: dict[str, str] = {key: row.default for key, row in SETTINGS.items()}
        self._defaults.update(defaults)
        self._facts = {name.lower(): name for name in facts}
        for name, value in facts.items():
            self._defaults[name.lower()] = value
        self._session: Layer = _NOTHING
        self._local: Layer = _NOTHING
        self._marks: list[tuple[str, Layer, Layer]] = []

    def at_startup(self, name: str, value: str) -> None:
        """Take a value of the startup packet, which becomes what RESET returns to. Faults as
        `set`."""
        setting = find(name)
        if not setting.is_startup:
            checked(setting, value)
            return
        key = setting.name.lower()
        default = self._defaults[key]
        self._defaults[key] = checked(setting, value, default, default)

    def get(self, name: str) -> str:
        """The current value of a setting that is known to exist, by lower-case name."""
        if name in self._local:
            return self._local[name]
        if name in self._session:
            return self._session[name]
        return self._defaults[name]

    def show(self, name: str) -> tuple[str, str]:
        """Canonical name and value for SHOW. Raises NotFoundFault 42704 when there is none."""
        key = _ALIASES.get(name.lower(), name.lower())
        if key in self._facts:
            return self._facts[key], self._defaults[key]
        if _is_operators(key):
            raise NotFoundFault(f'unrecognized configuration parameter "{key}"', sqlstate="42704")
        setting = find(name)
        key = setting.name.lower()
        if key in OF_THE_TRANSACTION:
            return setting.name, self.of_transaction(key)
        return setting.name, self.get(key)

    def of_transaction(self, key: str) -> str:
        """A setting of `OF_THE_TRANSACTION`: as the transaction has it, or the next one would."""
        if key in self._local:
            return self._local[key]
        default = f"default_{key}"
        if not self._marks:
            return self.get(default)
        _, session, local = self._marks[0]  # as the transaction began
        return local.get(default) or session.get(default) or self._defaults[default]

    def show_all(self) -> tuple[tuple[str, str], ...]:
        """Every setting and its value, ordered by name, for SHOW ALL."""
        names = {row.name for row in SETTINGS.values()} | set(self._facts.values())
        return tuple(self.show(name) for name in sorted(names, key=str.lower))

    def set(self, name: str, value: str, *, is_local: bool) -> None:
        """SET and SET LOCAL. Raises NotFoundFault 42704, DeniedFault 42501, Fault 22023."""
        self._demand_changeable(name)
        setting = find(name)
        key = setting.name.lower()
        text = checked(setting, value, self.get(key), self._defaults[key])
        self._put(key, text, is_local=is_local or key in OF_THE_TRANSACTION)

    def reset(self, name: str, *, is_local: bool = False) -> None:
        """RESET and SET … TO DEFAULT. Same faults as `set`; Fault 0A000 for what lasts a
        transaction."""
        self._demand_changeable(name)
        setting = find(name)
        key = setting.name.lower()
        if key in _WITHOUT_RESET:
            raise Fault(f'parameter "{key}" cannot be reset', sqlstate="0A000")
        if is_local:
            self._put(key, self._defaults[key], is_local=True)
            return
        self._session = _without(self._session, key)
        self._local = _without(self._local, key)

    def reset_all(self) -> None:
        """RESET ALL: every value as it was at startup, but those of the running transaction."""
        self._session = {}
        self._local = {key: v for key, v in self._local.items() if key in OF_THE_TRANSACTION}

    def _demand_changeable(self, name: str) -> None:
        if name.lower() in self._facts:
            raise DeniedFault(f'parameter "{name.lower()}" cannot be changed')

    def _put(self, key: str, value: str, *, is_local: bool) -> None:
        if is_local:
            self._local = {**self._local, key: value}
        else:
            self._session = {**self._session, key: value}
            self._local = _without(self._local, key)

    # Transactions

    def mark(self, name: str) -> None:
        """Remember the values at BEGIN (name "") or at a savepoint. Raises LimitFault 54000."""
        if len(self._marks) > SAVEPOINTS_MAX:
            raise LimitFault(f"more than {SAVEPOINTS_MAX} nested savepoints")
        self._marks.append((name, self._session, self._local))

    def restore(self, name: str) -> None:
        """Go back to the newest mark of that name, which stays; later ones are forgotten."""
        while self._marks and self._marks[-1][0] != name:
            self._marks.pop()
        if self._marks:
            _, self._session, self._local = self._marks[-1]

    def undo(self) -> None:
        """A transaction fails: values go back to the newest mark at once, as in Postgres."""
        if self._marks:
            _, self._session, self._local = self._marks[-1]

    def release(self, name: str) -> None:
        """Forget the newest mark of that name and later ones, keeping the values."""
        while self._marks and self._marks.pop()[0] != name:
            pass

    def end(self, *, is_committed: bool) -> None:
        """End of a transaction: SET LOCAL is forgotten, and all of it when rolled back."""
        if not is_committed and self._marks:
            _, self._session, _ = self._marks[0]
        self._marks.clear()
        self._local = _NOTHING

    # What others read

    @property
    def layers(self) -> tuple[Layer, Layer]:
        """The values set: as long as both are the very same objects, no setting has changed."""
        return self._session, self._local

    def pins(self) -> dict[str, str]:
        """The settings that change output, as every upstream checkout must have them. One without
        a value is left to the source."""
        pinned = [(key, row) for key, row in SETTINGS.items() if row.effect is Effect.PINNED]
        return {row.name: value for key, row in pinned if (value := self.get(key))}

    def reported(self) -> dict[str, str]:
        """What ParameterStatus tells: the reported settings and facts, with their values."""
        told = {row.name: self.get(key) for key, row in SETTINGS.items() if row.is_reported}
        told.update(
            (name, self._defaults[key]) for key, name in self._facts.items() if key in _FACTS_TOLD
        )
        return told

    def milliseconds(self, name: str) -> int:
        """A duration setting in milliseconds; 0 stands for none."""
        value = self.get(name)
        for unit, factor in (
            ("ms", 1),
            ("min", 60_000),
            ("s", 1000),
            ("h", 3_600_000),
            ("d", 86_400_000),
        ):
            if value.endswith(unit):
                return int(value[: -len(unit)]) * factor
        return int(value)

    def search_path(self) -> tuple[str, ...]:
        """Schema names in order, unquoted, with `$user` left out (no schema has a principal's
        name)."""
        names = []
        for part in re.findall(r'"(?:[^"]|"")*"|[^,\s]+', self.get("search_path")):
            name = part[1:-1].replace('""', '"') if part.startswith('"') else part
            if name and name != "$user":
                names.append(name)
        return tuple(names)
