"""Keeps the estate current: policies from their files, catalogs from their sources.

INVARIANT: a reload never opens and never drops. A policy that does not load, or fits no table,
leaves the one in force where it is; a source that cannot be read keeps the catalog that was read
last. The first policy must load, or nothing starts (I13).

This file must not know sessions or statements. Theory of operation: `start` reads everything once.
`run` then looks at the files' metadata every `WATCH_SECONDS`, and reads schemas again every
`SCHEMA_SECONDS`, sooner while a source has not been read at all. `reload` does both at once, for
SIGHUP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import structlog

from policies.check import check
from policies.decide import PolicySet
from policies.errors import PolicyLoadError, Problem
from policies.model import RelationKey
from proxy.catalog.virtual import CatalogError, Column, SourceCatalog
from proxy.counters import Counters
from proxy.estate import Estate
from proxy.runtime.audit import AuditLog, Reload
from proxy.runtime.state.journal import PolicyJournal

WATCH_SECONDS = 1.0
"""A changed policy takes effect this soon; a stat call costs microseconds."""

SCHEMA_SECONDS = 60.0
"""New columns stay hidden anyway; a dropped one fails at the source in between."""

RETRY_SECONDS = 5.0
"""Between attempts while a source was never read."""

LoadPolicy = Callable[[Sequence[Path]], tuple[PolicySet, tuple[Problem, ...]]]
ReadCatalog = Callable[[], Awaitable[SourceCatalog]]

_logger = structlog.get_logger("upkeep")


class StartRefused(Exception):
    """The gate must not run; the message says why, for the operator."""


def live_schema(catalogs: Sequence[SourceCatalog]) -> dict[RelationKey, dict[str, str]]:
    """Relations, their columns and the names of their types, domains resolved, for `check`."""
    return {
        key: {column.name: _base_type_name(catalog, column) for column in relation.columns}
        for catalog in catalogs
        for key, relation in catalog.relations.items()
    }


def _base_type_name(catalog: SourceCatalog, column: Column) -> str:
    definition = catalog.types.get(column.type_oid)
    name = column.type_name
    # A domain over a domain: each step goes down, so this ends.
    while definition is not None and definition.base_type_name is not None:
        name = definition.base_type_name
        definition = catalog.types.get(definition.base_type_oid)
    return name


class Upkeep:
    """Owner of the current estate.

    `files` are policy files or directories; `catalogs` read one source's schema each and raise
    OSError or CatalogError when they cannot. `journal` keeps the history of loads, where there is a
    state database.
    """

    def __init__(
        self,
        files: Sequence[Path],
        load_policy: LoadPolicy,
        catalogs: Mapping[str, ReadCatalog],
        audit: AuditLog,
        journal: PolicyJournal | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._journal = journal
        self._files = tuple(files)
        self._load_policy = load_policy
        self._read = dict(catalogs)
        self._audit = audit
        self._counters = counters or Counters()
        self._catalogs: dict[str, SourceCatalog] = {}
        self._estate: Estate | None = None
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._refused_version = ""

    def estate(self) -> Estate:
        """What holds now. `start` comes first."""
        assert self._estate is not None, "start() comes first"
        return self._estate

    async def start(self) -> None:
        """Load policies and schemas. Raises StartRefused without a policy that matches a table."""
        self._seen = self._fingerprint()
        try:
            policy, warnings = await asyncio.to_thread(self._load_policy, self._files)
        except PolicyLoadError as error:
            await self._write_down("", "", reason=str(error))
            raise StartRefused(f"the policy does not load:\n{error}") from error
        await self._read_catalogs()
        fault = self._unfit(policy, warnings)
        if fault is not None:
            await self._write_down("", policy.version, reason=fault)
            raise StartRefused(fault)
        self._estate = Estate(policy, self._in_order())
        await self._write_down("", policy.version, is_accepted=True)

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        schemas_at = loop.time()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self._fingerprint() != self._seen:
                await self.reload_policy()
            if self._journal is not None:
                await self._journal.flush()
            interval = SCHEMA_SECONDS if len(self._catalogs) == len(self._read) else RETRY_SECONDS
            if loop.time() - schemas_at >= interval:
                schemas_at = loop.time()
                await self.reload_catalogs()

    async def reload(self) -> None:
        """Read everything again, now."""
        await self.reload_policy()
        await self.reload_catalogs()

    async def reload_policy(self) -> bool:
        """Read the policy again. Returns whether a new one is in force; a bad one changes
        nothing."""
        self._seen = self._fingerprint()
        before = self.estate().policy
        try:
            policy, warnings = await asyncio.to_thread(self._load_policy, self._files)
        except (PolicyLoadError, OSError) as error:
            await self._note(before.version, "", reason=str(error))
            return False
        if policy.version == before.version:
            return False
        fault = self._unfit(policy, warnings)
        if fault is not None:
            await self._note(before.version, policy.version, reason=fault)
            return False
        await self._note(before.version, policy.version, is_accepted=True)
        self._estate = Estate(policy, self._in_order())
        return True

    async def reload_catalogs(self) -> None:
        """Read schemas again; a changed one makes a new estate."""
        await self._read_catalogs()
        estate = Estate(self.estate().policy, self._in_order())
        if estate.revision != self.estate().revision:
            _logger.info("schemas changed", revision=estate.revision[:12])
            self._estate = estate

    async def _read_catalogs(self) -> None:
        for name, read in self._read.items():
            try:
                self._catalogs[name] = await read()
            except CatalogError as error:  # its text is for the operator
                _logger.warning("schema not read", source=name, reason=str(error))
            except OSError as error:
                _logger.warning("schema not read", source=name, reason=type(error).__name__)

    def _in_order(self) -> tuple[SourceCatalog, ...]:
        return tuple(self._catalogs[name] for name in self._read if name in self._catalogs)

    def _unfit(self, policy: PolicySet, warnings: Sequence[Problem]) -> str | None:
        """Why this policy must not come into force, or None. Its warnings go to the log."""
        if not policy.tables:
            return "the policy names no table: nobody could read anything"
        problems = list(warnings)
        if len(self._catalogs) == len(self._read):
            problems += check(policy, live_schema(self._in_order()))
        else:
            # A source that is down cannot be checked; its tables do not exist until it is read.
            _logger.warning("policy not checked against all sources")
        for problem in problems:
            if problem.is_warning:
                _logger.warning("policy", problem=str(problem))
        fatal = [str(problem) for problem in problems if not problem.is_warning]
        return "the policy does not fit the sources:\n" + "\n".join(fatal) if fatal else None

    async def _note(
        self, before: str, after: str, *, reason: str = "", is_accepted: bool = False
    ) -> None:
        self._counters.reloads["accepted" if is_accepted else "refused"] += 1
        if is_accepted:
            _logger.info("policy reloaded", version=after[:12])
        elif after != self._refused_version or not after:
            _logger.error("policy not reloaded: the old one stays in force", reason=reason)
        self._refused_version = after
        await self._audit.record(
            Reload(
                subject="policy",
                version_before=before,
                version_after=after,
                is_accepted=is_accepted,
                reason=reason,
            )
        )

        await self._write_down(before, after, reason=reason, is_accepted=is_accepted)

    async def _write_down(
        self, before: str, after: str, *, reason: str = "", is_accepted: bool = False
    ) -> None:
        if self._journal is not None:
            await self._journal.note(
                version_before=before, version_after=after, is_accepted=is_accepted, reason=reason
            )

    def _fingerprint(self) -> tuple[tuple[str, int, int], ...]:
        """Names, sizes and times of all policy files: a change of any means to read again."""
        found = []
        for path in self._files:
            for file in sorted(path.rglob("*.y*ml")) if path.is_dir() else (path,):
                try:
                    status = file.stat()
                except OSError:
                    found.append((str(file), -1, -1))
                    continue
                found.append((str(file), status.st_size, status.st_mtime_ns))
        return tuple(found)
