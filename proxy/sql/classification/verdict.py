"""The answer of the allow-list to one name: a verdict with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a statement may do with a name.

    `ALLOWED`   anywhere: no side effect, and reads only its arguments and pinned settings.
    `CATALOG`   only in a statement about the catalog alone, which runs on the shadow.
    `IDENTITY`  anywhere, but the gate answers: a source would tell of itself (pitfall 13).
    `LITERAL`   a type one may cast a literal to, never a computed value: the shadow has then
                checked that the literal names a thing that exists for everybody.
    `REFUSED`   reviewed and not allowed.
    `UNKNOWN`   not a built-in of PostgreSQL 14 to 18: the allow-list has no entry (I3: refused).
    """

    ALLOWED = "allowed"
    CATALOG = "catalog"
    IDENTITY = "identity"
    LITERAL = "literal"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is a sentence for an honest client, about the name alone, never about stored rows.

    `schema` is where the name lives: printed SQL qualifies with it.
    """

    kind: Kind
    reason: str
    schema: str = "pg_catalog"

    @property
    def is_allowed(self) -> bool:
        """Usable on a source as it stands."""
        return self.kind is Kind.ALLOWED


STRICTNESS = (
    Kind.ALLOWED,
    Kind.IDENTITY,
    Kind.LITERAL,
    Kind.CATALOG,
    Kind.REFUSED,
    Kind.UNKNOWN,
)


def strictest(verdicts: list[Verdict]) -> Verdict:
    """The verdict that binds when a name may mean any of several things; not for an empty list."""
    return max(verdicts, key=lambda verdict: STRICTNESS.index(verdict.kind))
