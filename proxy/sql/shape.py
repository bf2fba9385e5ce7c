"""What columns a row has that is not a table's: composite types, rows of subqueries, OUT arguments.

`(value).*` and a function in FROM stand for as many columns as their row has; the binder must know
them by name, or refuse. Types outside pg_catalog are numbered by their source, so each is looked up
among the types that the class may see; one that two sources number alike is not known here.

This file must not know scopes: it is asked about types, functions and names of types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.catalog.virtual import ClassCatalog, TypeDefinition
from proxy.sql.allow import CLASSIFICATION

Field = tuple[str, int]  # name and type OID at the source, 0 for one that is not known

_COMPOSITE = "c"
_DOMAIN = "d"


@dataclass(frozen=True, slots=True)
class Shapes:
    """Look-ups over one class's types. Without arguments: built-in functions only."""

    types: Mapping[int, TypeDefinition] = field(default_factory=dict)
    functions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def fields(self, oid: int) -> tuple[Field, ...]:
        """The fields of a composite type, or of a domain over one; empty for any other."""
        found = self.types.get(oid)
        while found is not None and found.kind == _DOMAIN:
            found = self.types.get(found.base_type_oid)
        if found is None or found.kind != _COMPOSITE or found.is_row_type:
            return ()
        return tuple((one.name, one.type_oid) for one in found.attributes)

    def is_known(self, oid: int) -> bool:
        """Whether it is certain how many columns a value of this type makes in FROM."""
        found = self.types.get(oid)
        is_built_in = CLASSIFICATION.type_by_oid(oid).is_allowed
        return is_built_in or (found is not None and not found.is_row_type)

    def element(self, oid: int) -> int:
        """The element type of an array type, 0 for any other."""
        for found in self.types.values():
            if found.array_oid == oid != 0:
                return found.oid
        return CLASSIFICATION.element_type(oid)

    def array(self, oid: int) -> int:
        """The array type over a type that is not built in, 0 for any other."""
        found = self.types.get(oid)
        return found.array_oid if found is not None else 0

    def named(self, schema: str, name: str) -> int:
        """The OID of a type by its name, 0 for none."""
        for found in self.types.values():
            if found.schema == schema and found.name == name:
                return found.oid
        return CLASSIFICATION.type_oid(name) if schema == "pg_catalog" else 0

    def function_columns(self, name: str) -> tuple[str, ...]:
        """The columns that a function gives by its OUT arguments, empty for none."""
        return self.functions.get(name) or CLASSIFICATION.function_output_columns(name)


def shapes(catalog: ClassCatalog) -> Shapes:
    """The look-ups for one class."""
    found: dict[int, TypeDefinition] = {}
    unclear = set()
    for by_oid in catalog.types.values():
        for oid, kind in by_oid.items():
            if found.setdefault(oid, kind) != kind:
                unclear.add(oid)
    functions: dict[str, tuple[str, ...]] = {}
    for extension in catalog.extensions:
        for function in extension.functions:
            if function.outputs and not CLASSIFICATION.is_shared(function.name):
                functions[function.name] = tuple(name for name, _ in function.outputs)
    return Shapes({oid: kind for oid, kind in found.items() if oid not in unclear}, functions)
