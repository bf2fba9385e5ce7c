"""From a decision to what runs for one identity: the fragment, and the loads before it.

INVARIANT I1: fragments come from verified statements only. Claim values enter here.

This file must not know the client's protocol, caches, or how a source runs a fragment.
"""

from __future__ import annotations

from collections.abc import Callable

from policies.claims import ClaimValue
from proxy.catalog.class_database import TEXT_OID, Oids
from proxy.decision import Load
from proxy.sql.copy_to import CopyOptions
from proxy.sql.pipeline import Guarded
from proxy.sql.plan import FilePlan, Fragment, copy_fragment, query_fragment

ClaimValues = Callable[[str], ClaimValue]


def whole(
    guarded: Guarded,
    source: str,
    claim: ClaimValues,
    *,
    copy: CopyOptions | None,
    parameter_oids: tuple[int, ...],
    result_oids: tuple[int, ...] | None,
) -> Fragment:
    """The fragment of a statement, or of what remains of one over several sources."""
    if copy is not None:
        return copy_fragment(guarded.verified, source, copy)
    return query_fragment(
        guarded.verified,
        source,
        claim,
        parameter_oids=parameter_oids,
        result_oids=result_oids,
    )


def loads(
    guarded: Guarded, claim: ClaimValues, part_oids: tuple[tuple[int, ...], ...]
) -> tuple[Load, ...]:
    """The parts of a statement over several sources; `part_oids` its parameters' types at each."""
    found = []
    for part, oids in zip(guarded.parts, part_oids, strict=True):
        narrowed = None
        if part.narrowed is not None and part.keys is not None:
            narrowed_oids = (*oids, part.keys.array_oid)
            narrowed = _part_fragment(part.narrowed, claim, narrowed_oids, part.narrowed_files)
        whole = _part_fragment(part.guarded, claim, oids, part.files)
        found.append(Load(whole, part.table, part.columns, part.keys, narrowed))
    return tuple(found)


def _part_fragment(
    guarded: Guarded, claim: ClaimValues, oids: tuple[int, ...], files: FilePlan | None
) -> Fragment:
    return query_fragment(
        guarded.verified, guarded.source, claim, parameter_oids=oids, is_capped=False, files=files
    )


def part_oids(
    guarded: Guarded, oids: Oids, parameter_oids: tuple[int, ...]
) -> tuple[tuple[int, ...], ...]:
    """The types of the client's parameters as each part's source numbers them.

    One that a source does not know is of no use there; it still needs a type to be accepted.
    """
    return tuple(
        tuple(oids.source_oid(part.guarded.source, oid) or TEXT_OID for oid in parameter_oids)
        for part in guarded.parts
    )
