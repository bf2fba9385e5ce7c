"""What holds now: the policy in force, the catalogs of the sources, and who sees which part.

An `Estate` is a value. A reload makes a new one and swaps it in; whoever holds an old one can see
that it is old, by its `revision`.

This file must not know statements, sessions or files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import structlog

from policies.decide import PolicySet
from proxy.catalog.virtual import CatalogError, ClassCatalog, SourceCatalog, class_catalog
from proxy.faults import SourceFault

_logger = structlog.get_logger("estate")

CLASSES_MAX = 256
"""Role combinations remembered; each holds references into the source catalogs."""


class Estate:
    """One policy over the catalogs of all sources that were reachable when it was made."""

    def __init__(self, policy: PolicySet, catalogs: tuple[SourceCatalog, ...]) -> None:
        self.policy = policy.in_order(
            {
                key: [column.name for column in relation.columns]
                for catalog in catalogs
                for key, relation in catalog.relations.items()
            }
        )
        self.catalogs = catalogs
        self._classes: dict[tuple[frozenset[str], frozenset[str] | None], ClassCatalog] = {}

    def __repr__(self) -> str:
        return f"Estate({self.revision[:12]}, {len(self.catalogs)} sources)"

    @cached_property
    def revision(self) -> str:
        """A digest of policy and schemas: equal revisions decide equally."""
        parts = [self.policy.version, *(catalog.digest for catalog in self.catalogs)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def class_of(
        self, roles: frozenset[str], sources: frozenset[str] | None = None
    ) -> ClassCatalog:
        """The catalog that these roles see, in `sources` only where they are given.

        Raises CatalogError for names that clash.
        """
        relevant = self.policy.relevant_roles(roles)
        found = self._classes.get((relevant, sources))
        if found is None:
            visible = {
                key: self.policy.visible_columns(relevant, key)
                for key in self.policy.visible(relevant)
                if sources is None or key.source in sources
            }
            comments = {key: self.policy.tables[key].comment for key in visible}
            found = class_catalog(
                self.catalogs,
                visible,
                {key: text for key, text in comments.items() if text is not None},
            )
            if len(self._classes) >= CLASSES_MAX:
                self._classes.clear()
            self._classes[relevant, sources] = found
        return found


CurrentEstate = Callable[[], Estate]


@contextmanager
def told_to_the_operator() -> Iterator[None]:
    """A catalog that cannot be made names what a principal may not see: it learns that much only.

    Raises SourceFault (57P03) for CatalogError.
    """
    try:
        yield
    except CatalogError as error:
        _logger.error("catalog not made", reason=str(error))
        raise SourceFault("the catalog is not available", sqlstate="57P03") from error
