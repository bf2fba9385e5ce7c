"""The operator's extensions: from the configuration and the reviews to what may be used.

One list for three floors: the allow-list of names (`proxy.sql.allow`), what introspection reads of
a source, and the schemas on a source's search path. A name is trusted if the extension's review
allows it or the operator lists it; without both it does not exist for a client.

This file must not know statements, and connects to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.extension import TrustedExtension
from proxy.runtime.config import Configuration
from proxy.runtime.config_model import Extension
from proxy.sql.allow import CLASSIFICATION
from proxy.sql.classification import classification
from proxy.sql.classification.extension import operator_name, review


def trusted_extensions(configuration: Configuration) -> tuple[TrustedExtension, ...]:
    """The extensions of the configuration, each with every name that may be used."""
    return tuple(map(_trusted, configuration.extensions))


def _trusted(extension: Extension) -> TrustedExtension:
    reviewed = review(extension.name)
    functions = frozenset(extension.functions)
    types = frozenset(extension.types)
    operators = frozenset(extension.total_operators)
    shared: frozenset[str] = frozenset()
    if reviewed is not None:
        # Only a review knows all overloads: the operator's own names open no built-in one.
        shared = frozenset(filter(classification().has_function, reviewed.allowed("function")))
        functions |= reviewed.allowed("function")
        types |= reviewed.allowed("type")
        operators |= reviewed.allowed("operator")
    return TrustedExtension(
        name=extension.name,
        schema=extension.schema,
        is_reviewed=reviewed is not None,
        version_min=reviewed.version_min if reviewed is not None else "",
        types=types,
        functions=functions - _closed(functions, shared),
        shared_functions=shared,
        operators=operators,
        operator_names=frozenset(extension.operators),
    )


def _closed(functions: frozenset[str], shared: frozenset[str]) -> frozenset[str]:
    """Names of built-in functions that are not shared."""
    return frozenset(filter(classification().has_function, functions)) - shared


def allow(extensions: Sequence[TrustedExtension]) -> None:
    """Put the names of `extensions`, and of no others, on this process's allow-list."""
    CLASSIFICATION.reset()
    for one in extensions:
        operators = {operator_name(signature) for signature in one.operators} | one.operator_names
        CLASSIFICATION.extend(
            functions=dict.fromkeys(one.functions, one.schema),
            operators=dict.fromkeys(operators, one.schema),
            types=dict.fromkeys(one.types, one.schema),
        )


def schemas(extensions: Sequence[TrustedExtension]) -> tuple[str, ...]:
    """The schemas of the extensions, each once."""
    return tuple(dict.fromkeys(one.schema for one in extensions))
