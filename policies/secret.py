"""A value that must never be printed, and the one way to look at it.

This file must not know what secrets are for. INVARIANT I8: no secret has a printable form. `repr`,
`str`, `format`, pickling and JSON encoding all give a fixed text or an error; only `reveal()` gives
the value, and a test lists the places that may call it.
"""

from __future__ import annotations

import hmac
from typing import Generic, NoReturn, TypeVar

Value = TypeVar("Value", str, bytes)

PRINTED_FORM = "<secret>"


class Secret(Generic[Value]):
    """Holds `value` (text or bytes) and shows it to nobody but callers of `reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: Value) -> None:
        self._value: Value = value

    def reveal(self) -> Value:
        """The value itself. Every call site is listed in a test."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return PRINTED_FORM

    def __str__(self) -> str:
        return PRINTED_FORM

    def __format__(self, specification: str) -> str:
        return PRINTED_FORM

    def __eq__(self, other: object) -> bool:
        """Equal by value, compared in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = self._value, other._value
        if isinstance(mine, str) or isinstance(theirs, str):
            if not (isinstance(mine, str) and isinstance(theirs, str)):
                return False
            return hmac.compare_digest(mine.encode(), theirs.encode())
        return hmac.compare_digest(mine, theirs)

    def __hash__(self) -> NoReturn:
        # A hash of a short secret can be searched for; nothing needs secrets as keys.
        raise TypeError("a secret cannot be hashed")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied")
