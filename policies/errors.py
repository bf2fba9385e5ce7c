"""Every way the policy floor refuses.

    PolicyError            base
     ├─ TokenRefused       a token that does not prove an identity; `reason` says which check failed
     ├─ ClaimRefused       an attribute that is missing, of the wrong type or too large
     ├─ PolicyDenied       a principal may not read this relation (now, with these claims)
     └─ PolicyLoadError    a policy file that cannot be used; carries `problems`

Messages name claims, rules and fields, never values: they may reach a log. What a *client* is told
is decided above this floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PolicyError(Exception):
    """Base of everything this floor raises on purpose."""


class TokenReason(StrEnum):
    """Why a token was refused: a closed list, safe to log and to count."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    DUPLICATE_KEY = "duplicate_key"
    ALGORITHM = "algorithm"
    HEADER = "header"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ISSUED_IN_FUTURE = "issued_in_future"
    TOO_OLD = "too_old"
    SUBJECT = "subject"


class TokenRefused(PolicyError):
    """A token was refused. The message is made of fixed texts and holds no part of the token."""

    def __init__(self, reason: TokenReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ClaimRefused(PolicyError):
    """The claim `claim` is unusable; the message names it and its declared type, not its value."""

    def __init__(self, claim: str, message: str) -> None:
        super().__init__(f'claim "{claim}": {message}')
        self.claim = claim


class DeniedReason(StrEnum):
    """Why a relation was denied: a closed list, safe to log and to count."""

    NO_RULE = "no_rule"
    DENIED = "denied"
    MISSING_CLAIM = "missing_claim"
    OUTSIDE_TIME_WINDOW = "outside_time_window"
    IDENTITY_EXPIRED = "identity_expired"
    KEY_UNAVAILABLE = "key_unavailable"


class PolicyDenied(PolicyError):
    """The principal may not read the relation.

    `reason` is for audit and metrics, `rule` the rule that decided (None: no rule), `claim` the
    claim that was missing. With NO_RULE and DENIED the relation does not exist for the principal
    (I7).
    """

    def __init__(
        self,
        reason: DeniedReason,
        message: str,
        *,
        rule: str | None = None,
        claim: str | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.rule = rule
        self.claim = claim

    @property
    def hides_relation(self) -> bool:
        """True when the relation does not exist for this principal's roles at all."""
        return self.reason in (DeniedReason.NO_RULE, DeniedReason.DENIED)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written: `file` as loaded, `line` from 1; 0: the whole file."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a policy: where, in which rule and field, and what may have been meant.

    `file` as given to the loader, `line` 1-based (0: the whole file), `rule` like
    `crm.customers / own-region`, `field` a dotted path, `suggestion` the near miss.
    `is_warning` problems do not prevent loading.
    """

    file: str
    line: int
    message: str
    rule: str | None = None
    field: str | None = None
    suggestion: str | None = None
    is_warning: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        context = " / ".join(part for part in (self.rule, self.field) if part)
        text = f"{place}: {context}: {self.message}" if context else f"{place}: {self.message}"
        return f'{text}; did you mean "{self.suggestion}"?' if self.suggestion else text


class PolicyLoadError(PolicyError):
    """A policy that is refused as a whole. `problems` holds at least one entry."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        assert problems, "a load error without a problem explains nothing"
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
