"""The settings told to others: a JSON Schema for editors, and rows for the reference table.

Both come from `config_model.py` alone. This file must not know values.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from proxy.runtime.config_build import settings_of, variants, without_none
from proxy.runtime.config_model import Configuration
from proxy.runtime.config_setting import Meaning

Json = dict[str, Any]
REQUIRED = "required"
_NAMES = {str: "text", Path: "path", bool: "boolean", int: "integer", float: "number"}
_JSON_TYPES = {str: "string", Path: "string", bool: "boolean", int: "integer", float: "number"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the reference. `key` is dotted, `[]` for each element of a list."""

    key: str
    type: str
    default: str
    meaning: str


def document() -> list[Row]:
    """Every key that a file may hold, in the order of the model."""
    return list(_rows(Configuration, ""))


def schema() -> Json:
    """JSON Schema (draft 2020-12) of a configuration file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sallyport configuration",
        **_object(Configuration),
    }


def _rows(model: type, prefix: str) -> typing.Iterator[Row]:
    for name, (hint, meaning, default) in settings_of(model).items():
        kind, _ = without_none(hint)
        key = prefix + name
        is_list = typing.get_origin(kind) is tuple
        inner = typing.get_args(kind)[0] if is_list else kind
        yield Row(key, _type_name(kind), _default(default), meaning.text)
        for number, (told, variant) in enumerate(variants(inner).items()):
            # The first kind stands for all: the others are listed with their name.
            yield from _rows(variant, f"{key}[]." if not number else f"{key}[{told}].")
        if dataclasses.is_dataclass(inner):
            yield from _rows(typing.cast(type, inner), f"{key}[]." if is_list else f"{key}.")


def _type_name(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        return f"list of {_type_name(typing.get_args(kind)[0])}"
    if typing.get_origin(kind) is Literal:
        return " / ".join(str(choice) for choice in typing.get_args(kind))
    return _NAMES.get(kind, "section")


def _default(default: object) -> str:
    if default is dataclasses.MISSING:
        return REQUIRED
    if dataclasses.is_dataclass(default) or default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ", ".join(str(item) for item in default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def _object(model: type) -> Json:
    settings = settings_of(model)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [
            name for name, (_, _, default) in settings.items() if default is dataclasses.MISSING
        ],
        "properties": {
            name: _property(hint, meaning, default)
            for name, (hint, meaning, default) in settings.items()
        },
    }


def _property(hint: Any, meaning: Meaning, default: object) -> Json:
    kind, is_optional = without_none(hint)
    found: Json = {"description": meaning.text}
    if isinstance(default, bool | int | float | str):
        found["default"] = default
    elif isinstance(default, tuple):
        found["default"] = list(default)
    shape = _shape(kind, meaning)
    if is_optional:
        return {**found, "anyOf": [shape, {"type": "null"}]}
    return {**found, **shape}


def _shape(kind: Any, meaning: Meaning) -> Json:
    if dataclasses.is_dataclass(kind):
        return _object(typing.cast(type, kind))
    if known := variants(kind):
        return {"oneOf": [_object(one) for one in known.values()]}
    if typing.get_origin(kind) is tuple:
        item = _shape(typing.get_args(kind)[0], Meaning(meaning.text))
        return {"type": "array", "items": item, **_bounds(meaning, "minItems", "maxItems")}
    if typing.get_origin(kind) is Literal:
        return {"enum": list(typing.get_args(kind))}
    lower, upper = ("minLength", "maxLength") if kind is str else ("minimum", "maximum")
    return {"type": _JSON_TYPES[kind], **_bounds(meaning, lower, upper)}


def _bounds(meaning: Meaning, lower: str, upper: str) -> Json:
    found: Json = {}
    for name, bound in ((lower, meaning.minimum), (upper, meaning.maximum)):
        if bound is not None:
            found[name] = int(bound) if float(bound).is_integer() else bound
    return found
