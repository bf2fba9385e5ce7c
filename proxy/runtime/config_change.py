"""What differs between the configuration that runs and the one on disk, key by key.

This file must not know what a key does, but for one thing: which take effect without a restart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from proxy.runtime.config_model import Configuration

APPLIED_AT_ONCE = frozenset({"log.level"})
"""Policies and schemas are read again too, whatever the configuration says."""

_ABOUT_THE_FILE = frozenset({"file", "version"})


def changed_keys(before: Configuration, after: Configuration) -> list[str]:
    """Dotted names of the settings whose values differ, in their order."""
    return list(dict.fromkeys(_different(before, after, "")))


def needs_restart(keys: Sequence[str]) -> list[str]:
    """Those of them that take effect only when the gate is started again."""
    return [key for key in keys if key not in APPLIED_AT_ONCE]


def _different(before: object, after: object, place: str) -> Iterable[str]:
    if before == after:
        return
    if not dataclasses.is_dataclass(before) or type(before) is not type(after):
        yield place
        return
    for field in dataclasses.fields(before):
        if field.name not in _ABOUT_THE_FILE:
            name = f"{place}.{field.name}" if place else field.name
            yield from _different(getattr(before, field.name), getattr(after, field.name), name)
