"""Binary values between a source and a client who is told of the shadow's types.

The two number the types that are not built in differently. RowDescription is the shadow's; what
values say of themselves inside is the source's, and is written anew here. Only statements with such
columns or parameters have a `Recoder`; all other rows are relayed untouched.

This file must not know SQL, policies or sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.catalog.class_database import TEXT_OID, Oids
from proxy.catalog.virtual import ClassCatalog
from proxy.faults import UnsupportedFault
from proxy.sources.base import BINARY_FORMAT, TEXT_FORMAT, Arguments
from proxy.wire.backend import FieldDescription
from proxy.wire.batch import RowBatch
from proxy.wire.errors import InvalidValue
from proxy.wire.type_oids import (
    FIRST_OWN_OID,
    RECORD_ARRAY_OID,
    RECORD_OID,
    Shape,
    TypeNumbers,
    renumbered,
)

HINT = "Ask for the text format."


@dataclass(frozen=True, slots=True)
class _Column:
    """A column to look into: what the source calls its type, and an array's elements' OID."""

    number: int
    source_oid: int
    element: int = 0


@dataclass(frozen=True, slots=True)
class Recoder:
    """What to do with one statement's binary values.

    `texts` are columns that only look like text: what stands in for a type that the shadow lacks.
    """

    columns: tuple[_Column, ...]
    texts: frozenset[int]
    parameters: tuple[tuple[int, int], ...]
    to_client: TypeNumbers
    to_source: TypeNumbers
    width: int

    def formats(self, asked: tuple[int, ...]) -> tuple[int, ...]:
        """The formats to ask the source for: text has the same bytes in both."""
        if not self.texts or BINARY_FORMAT not in asked:
            return asked
        each = _each(asked, self.width)
        return tuple(TEXT_FORMAT if n in self.texts else code for n, code in enumerate(each))

    def in_binary(self, asked: tuple[int, ...]) -> tuple[_Column, ...]:
        """The columns of `recoded` for these result formats."""
        if BINARY_FORMAT not in asked:
            return ()
        each = _each(asked, self.width)
        return tuple(one for one in self.columns if each[one.number] == BINARY_FORMAT)

    def recoded(self, batch: RowBatch, columns: tuple[_Column, ...]) -> bytes:
        """Rows as the client was told of them. Raises UnsupportedFault."""
        rows = []
        for row in batch.rows():
            values = list(row)
            for one in columns:
                value = values[one.number]
                if value is not None:
                    values[one.number] = _told(value, one, self.to_client)
            rows.append(tuple(values))
        return RowBatch.of(rows).data

    def arguments(self, given: Arguments) -> Arguments:
        """Parameter values as the source numbers types. Raises UnsupportedFault."""
        if not self.parameters or BINARY_FORMAT not in given.formats:
            return given
        formats, values = given.format_of_each(), list(given.values)
        for number, oid in self.parameters:
            value = values[number] if number < len(values) else None
            if value is not None and formats[number] == BINARY_FORMAT:
                values[number] = _told(value, _Column(number, oid), self.to_source)
        return Arguments(tuple(values), given.formats)


def _told(value: bytes, column: _Column, numbers: TypeNumbers) -> bytes:
    try:
        return renumbered(value, column.source_oid, numbers, element=column.element)
    except InvalidValue as invalid:
        raise UnsupportedFault(invalid.message, sqlstate=invalid.sqlstate, hint=HINT) from invalid


def recoder(
    catalog: ClassCatalog,
    oids: Oids,
    source: str,
    fields: Sequence[FieldDescription],
    parameter_oids: Sequence[int],
) -> Recoder | None:
    """What a statement of this class at this source needs, None for nothing. OIDs are the
    shadow's."""
    has_own = any(one.type_oid >= FIRST_OWN_OID for one in fields) or any(
        oid >= FIRST_OWN_OID for oid in parameter_oids
    )
    is_anonymous = any(one.type_oid in (RECORD_OID, RECORD_ARRAY_OID) for one in fields)
    types = catalog.types.get(source, {})
    if not (has_own or is_anonymous or types):
        return None
    shapes = _source_shapes(catalog, oids, source)
    told = {there: here for (name, here), there in oids.sources.items() if name == source}
    back = {here: there for there, here in told.items()}
    to_client = TypeNumbers(shapes, told)
    to_source = TypeNumbers({told[oid]: s for oid, s in shapes.items() if oid in told}, back)
    columns = [_column(number, one.type_oid, oids, back) for number, one in enumerate(fields)]
    looked_into = tuple(one for one in columns if to_client.shape(one.source_oid) is not None)
    texts = frozenset(n for n, one in enumerate(fields) if types and one.type_oid == TEXT_OID)
    parameters = tuple(
        (number, oid)
        for number, oid in enumerate(parameter_oids)
        if to_source.shape(oid) is not None
    )
    if not (looked_into or texts or parameters):
        return None
    return Recoder(looked_into, texts, parameters, to_client, to_source, len(fields))


def _column(number: int, oid: int, oids: Oids, back: dict[int, int]) -> _Column:
    if oid < FIRST_OWN_OID:
        return _Column(number, oid)
    if oid in back:
        return _Column(number, back[oid])
    # A relation's own row: anonymous at the source, where it comes out of a subquery.
    if oid in oids.row_arrays:
        return _Column(number, RECORD_ARRAY_OID, oids.row_arrays[oid])
    return _Column(number, RECORD_OID)


def _source_shapes(catalog: ClassCatalog, oids: Oids, source: str) -> dict[int, Shape]:
    shapes: dict[int, Shape] = {}
    types = catalog.types.get(source, {})
    for kind in types.values():
        if kind.kind == "c":
            shapes[kind.oid] = Shape.OPAQUE if kind.is_row_type else Shape.RECORD
        elif kind.kind not in "ed" and oids.described.get((source, kind.oid)) == TEXT_OID:
            shapes[kind.oid] = Shape.OPAQUE  # text stands in for it
        if kind.array_oid:
            shapes[kind.array_oid] = Shape.ARRAY
    for kind in types.values():
        base = kind
        while base.kind == "d" and base.base_type_oid in types:
            base = types[base.base_type_oid]
        oid = base.base_type_oid if base.kind == "d" else base.oid
        if kind.kind == "d" and oid in shapes:
            shapes[kind.oid] = shapes[oid]
    return shapes


def _each(formats: tuple[int, ...], width: int) -> tuple[int, ...]:
    return formats * width if len(formats) == 1 else formats
