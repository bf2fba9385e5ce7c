"""The allow-list in force in this process: the built-in one, plus what the operator's file adds.

`extend` is called once, at start, before any statement is decided. Answers here are plain: a
missing type is OID 0, never None, because the fence's question "is it known?" is the same for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy.sql.classification import Classification, Verdict, classification


class AllowList:
    """Look-ups by name, delegated to the classification in force."""

    def __init__(self) -> None:
        self._classification: Classification = classification()

    def extend(
        self,
        *,
        functions: Mapping[str, str] | None = None,
        operators: Mapping[str, str] | None = None,
        types: Mapping[str, str] | None = None,
    ) -> None:
        """Add names of extensions, each with its schema. A built-in's verdict cannot be changed."""
        self._classification = self._classification.with_extensions(
            functions=functions, operators=operators, types=types
        )

    def reset(self) -> None:
        """Forget every addition: for processes that serve one configuration after another."""
        self._classification = classification()

    def is_shared(self, name: str) -> bool:
        """Whether a trusted extension has a function of that built-in name."""
        return name in self._classification.shared

    def function(self, name: str, arity: int) -> Verdict:
        return self._classification.function(name, arity)

    def operator(self, name: str) -> Verdict:
        return self._classification.operator(name)

    def type(self, name: str) -> Verdict:
        return self._classification.type(name)

    def type_by_oid(self, oid: int) -> Verdict:
        return self._classification.type_of_oid(oid)

    def is_aggregate(self, name: str) -> bool:
        return self._classification.is_aggregate(name)

    def is_function(self, name: str) -> bool:
        """Whether any overload of that name exists, whatever its verdict."""
        return self._classification.has_function(name)

    def function_output_columns(self, name: str) -> tuple[str, ...]:
        return self._classification.function_output_columns(name)

    def type_oid(self, name: str) -> int:
        """The OID of a built-in type, 0 for any other."""
        return self._classification.type_oid(name) or 0

    def return_type(self, name: str, argument_oids: Sequence[int]) -> int:
        """The result type's OID for exactly these argument types, 0 when that is not known."""
        if 0 in argument_oids:
            return 0
        return self._classification.return_type(name, argument_oids) or 0

    def only_result(self, name: str) -> int:
        """The OID of the built-in type that every overload gives, 0 where they differ."""
        return self._classification.return_type(name) or 0

    def is_polymorphic(self, name: str) -> bool:
        """Whether some overload's result takes its type from the arguments, or is any row."""
        overloads = self._classification.functions.get(name, ())
        return any(one.result.startswith("any") or one.result == "record" for one in overloads)

    def element_type(self, oid: int) -> int:
        """The element type's OID of a built-in array type, 0 for any other."""
        found = self._classification.types_by_oid.get(oid)
        if found is None or not found.name.startswith("_"):
            return 0
        return self.type_oid(found.name[1:])


CLASSIFICATION = AllowList()
