"""Extensions that the operator trusts, and what a source has of them: pure values.

`TrustedExtension` is what may be used, by name; `Extension` is what introspection found of it, with
the types that the shadow needs to build stand-ins (`stand_in`). This file must not know connections
or SQL text.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrustedExtension:
    """One extension of the configuration, with what its review allows.

    `operators` are signatures, `@>(hstore,hstore)`, that never raise; `operator_names` are allowed
    in every signature, but only where the planner does not try them on statistics.
    `shared_functions` are those named as a built-in one. `version_min` "" accepts any.
    """

    name: str
    schema: str
    is_reviewed: bool = False
    version_min: str = ""
    types: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    shared_functions: frozenset[str] = frozenset()
    operators: frozenset[str] = frozenset()
    operator_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ExtensionType:
    """A base type. `category` is typcategory; `is_collatable`: its values are texts."""

    name: str
    category: str
    is_preferred: bool
    is_collatable: bool


@dataclass(frozen=True, slots=True)
class ExtensionFunction:
    """A function or aggregate (`kind` f a w). Types are named as format_type() names them.

    `names` has one name per argument, "" for none; `outputs` are (name, type) of OUT arguments.
    """

    name: str
    kind: str
    arguments: tuple[str, ...]
    names: tuple[str, ...]
    defaults: int
    is_variadic: bool
    result: str
    returns_set: bool
    outputs: tuple[tuple[str, str], ...] = ()

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(self.arguments)})"


@dataclass(frozen=True, slots=True)
class ExtensionOperator:
    """An operator; `left` is "" for a prefix operator, `function` the signature of its function."""

    name: str
    left: str
    right: str
    function: str


@dataclass(frozen=True, slots=True)
class ExtensionCast:
    """A cast; `context` is castcontext (e a i), `function` None for one without."""

    source: str
    target: str
    context: str
    function: str | None


@dataclass(frozen=True, slots=True)
class ExtensionOrder:
    """How values of a type are sorted: the b-tree operators by strategy, and the comparison."""

    type_name: str
    operators: tuple[tuple[int, str], ...]
    comparison: str


@dataclass(frozen=True, slots=True)
class Extension:
    """What one source has of a trusted extension."""

    name: str
    schema: str
    version: str
    is_reviewed: bool
    types: tuple[ExtensionType, ...] = ()
    functions: tuple[ExtensionFunction, ...] = ()
    operators: tuple[ExtensionOperator, ...] = ()
    casts: tuple[ExtensionCast, ...] = ()
    orders: tuple[ExtensionOrder, ...] = ()
