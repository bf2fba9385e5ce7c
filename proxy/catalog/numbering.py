"""The number of an object of a class database follows from its kind and name: pure.

`renumber.sql` gives numbers by the same rule to what DDL made; its opening comment has the reasons.
Whatever is written into the catalog directly (`written_rows`) gets its number here, beforehand.
This file must not know connections.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Final

FIRST_NUMBER: Final = 16_777_217  # above what Postgres' own counter reaches
_RANGE: Final = 1_065_353_215  # odd numbers up to 2^31-1: positive as a signed number
ATTEMPTS_MAX: Final = 16
NAME_BYTES_MAX: Final = 63  # NAMEDATALEN - 1


def number_of(key: str, attempt: int = 0) -> int:
    """The OID of the object whose kind and full name is `key`, as renumber.sql computes it."""
    digest = hashlib.sha256(f"{attempt}:{key}".encode()).hexdigest()
    return FIRST_NUMBER + 2 * (int(digest[:8], 16) % _RANGE)


def numbers_of(keys: Iterable[str], taken: Collection[int] = ()) -> dict[str, int]:
    """A number for each key; of two that meet at one, the later name moves on."""
    used = set(taken)
    numbers: dict[str, int] = {}
    pending = sorted(set(keys))
    for attempt in range(ATTEMPTS_MAX):
        later = []
        for key in pending:
            number = number_of(key, attempt)
            if number in used:
                later.append(key)
            else:
                used.add(number)
                numbers[key] = number
        pending = later
    assert not pending, "the space of numbers is a thousand million"
    return numbers


def array_type_name(name: str, taken: Collection[str]) -> str:
    """The name of the array type over `name`: underscores before it until it is free
    (src/backend/catalog/pg_type.c, makeUniqueTypeName)."""
    for count in range(1, NAME_BYTES_MAX):
        candidate = clipped("_" * count + name, NAME_BYTES_MAX)
        if candidate not in taken:
            return candidate
    raise AssertionError(f"no name is free for the array type of {name}")


def object_name(first: str, second: str, label: str) -> str:
    """`first_second_label`, the longer part cut until it fits (src/backend/commands/indexcmds.c,
    makeObjectName). Without `second`: `first_label`."""
    lengths = [len(first.encode()), len(second.encode())]
    available = NAME_BYTES_MAX - len(label.encode()) - (2 if second else 1)
    while sum(lengths) > available:
        lengths[0 if lengths[0] > lengths[1] else 1] -= 1
    parts = [clipped(first, lengths[0])]
    if second:
        parts.append(clipped(second, lengths[1]))
    return "_".join([*parts, label])


def chosen_name(first: str, second: str, label: str, taken: Collection[str]) -> str:
    """`object_name`, with a number behind the label if it is taken (ChooseRelationName)."""
    for number in range(len(taken) + 1):
        candidate = object_name(first, second, f"{label}{number}" if number else label)
        if candidate not in taken:
            return candidate
    raise AssertionError("more names than are taken were tried")


def clipped(text: str, size: int) -> str:
    """The longest beginning of `text` that has at most `size` bytes, in whole characters."""
    return text.encode()[:size].decode(errors="ignore")
