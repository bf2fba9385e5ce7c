"""The reviews of extensions: which of their names a statement may use once the operator trusts
them.

One file per extension in `extensions/`, made from what a live server has and read line by line: a
type, function or operator is allowed if it reads nothing but its arguments. An operator stands with
its operand types, for one more thing is promised of an allowed one: it *never raises* when the
planner tries it on a column's statistics, hidden values among them (`eqsel`, `scalarltsel`,
`matchingsel`); the tests try each on live servers.

Must not know what an operator trusts, nor where an extension is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

from proxy.sql.classification.verdict import Kind

_DATA_PACKAGE = "proxy.sql.classification.extensions"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: `kind` is `type`, `function` or `operator`; an operator is `name(left,right)`."""

    kind: str
    name: str
    verdict: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Review:
    """One extension as it was reviewed, from `version_min` on."""

    extension: str
    version_min: str
    entries: tuple[Entry, ...]

    def allowed(self, kind: str) -> frozenset[str]:
        """The names of one kind that a statement may use."""
        return frozenset(
            entry.name
            for entry in self.entries
            if entry.kind == kind and entry.verdict is Kind.ALLOWED
        )


def operator_name(signature: str) -> str:
    """`@>` of `@>(hstore,hstore)`."""
    return signature.partition("(")[0]


def reviewed_extensions() -> tuple[str, ...]:
    """The names of the extensions that have a review."""
    files = (path.name for path in resources.files(_DATA_PACKAGE).iterdir())
    return tuple(sorted(name[:-4] for name in files if name.endswith(".tsv") and name != _REASONS))


_REASONS = "reasons.tsv"


@cache
def review(extension: str) -> Review | None:
    """The review of an extension by its name, None where there is none."""
    if extension not in reviewed_extensions():
        return None
    reasons = dict(_rows(_REASONS))
    entries = []
    version = ""
    for kind, name, verdict, reason in _rows(f"{extension}.tsv"):
        if kind == "version":
            version = name
        else:
            entries.append(Entry(kind, name, Kind(verdict), reasons[reason]))
    return Review(extension, version, tuple(entries))


def _rows(file: str) -> list[list[str]]:
    text = resources.files(_DATA_PACKAGE).joinpath(file).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()[1:]]
