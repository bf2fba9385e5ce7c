"""The `masks` section: one block becomes one Mask.

This file must not know where masks are used. Every parameter has a range; a mask that would show
everything or cannot be total is refused here, with the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from policies.document import Value, near_miss
from policies.expression import TypedLiteral
from policies.layout import KEYS
from policies.literal import canonical_type, typed_literal
from policies.mask import (
    DATE_UNITS,
    ConstantMask,
    CustomMask,
    DateMask,
    EmailMask,
    HashMask,
    JsonMask,
    Mask,
    NoiseMask,
    NullMask,
    NumberMask,
    PartialMask,
    keeps_type,
)
from policies.predicate import PredicateError, Scope, parse_expression
from policies.vocabulary import could_be_boolean

FILL_DEFAULT = "****"
FILL_CHARACTERS_MAX = 100
SHOWN_CHARACTERS_MAX = 100
HASH_CHARACTERS_DEFAULT = 32
# 12 hexadecimal digits: 48 bits, one collision expected at about 17 million distinct values.
HASH_CHARACTERS_MIN = 12
NOISE_DIGITS_MAX = 10
JSON_PATHS_MAX = 20
JSON_STEPS_MAX = 8

# Usable without being declared.
BUILT_IN: Mapping[str, Mask] = {
    "null": NullMask("null"),
    "email": EmailMask("email", keep_domain=True, fill="***"),
}

_POSITIVE = re.compile(r"[0-9]{1,15}(\.[0-9]{1,10})?")
_DATE_TYPES = ("date", "timestamp", "timestamptz")


@dataclass(frozen=True, slots=True)
class MaskReader:
    """Reads mask blocks. `keys`: declared names of key material; `scope`: for custom masks."""

    keys: frozenset[str]
    scope: Scope

    def read(self, name: str, value: Value) -> Mask | None:
        """The mask called `name`, or None after a problem."""
        block = value.block(KEYS["mask"])
        if len(block) != 1:
            if block or not value.reporter.is_fatal:
                value.problem("a mask has exactly one kind: " + ", ".join(KEYS["mask"]))
            return None
        ((kind, inner),) = block.items()
        readers: Mapping[str, Callable[[str, Value], Mask | None]] = {
            "null": self._null,
            "constant": self._constant,
            "partial": self._partial,
            "email": self._email,
            "hash": self._hash,
            "generalise": self._generalise,
            "noise": self._noise,
            "json": self._json,
            "custom": self._custom,
        }
        return readers[kind](name, inner)

    def _null(self, name: str, value: Value) -> Mask | None:
        value.block(KEYS["mask_null"])
        return NullMask(name)

    def _constant(self, name: str, value: Value) -> Mask | None:
        block = value.block(KEYS["mask_constant"])
        type_name, constant = _text(block, "type", "text"), block.get("value")
        if constant is None or not constant.is_text or constant.is_null or type_name is None:
            value.problem('needs "value", a single value; for none see the mask "null"')
            return None
        literal = _literal(constant, type_name, str(constant.node.value))
        return ConstantMask(name, literal) if literal else None

    def _partial(self, name: str, value: Value) -> Mask | None:
        block = value.block(KEYS["mask_partial"])
        first = _whole(block, "first", 0, 0, SHOWN_CHARACTERS_MAX)
        last = _whole(block, "last", 0, 0, SHOWN_CHARACTERS_MAX)
        fill = _fill(block, FILL_DEFAULT)
        if first is None or last is None or fill is None:
            return None
        if first + last == 0:
            value.problem('shows nothing: give "first" or "last", or use a constant mask')
            return None
        # By default at least as much stays hidden as is shown: "last 4" of "1234" shows nothing.
        hidden_min = _whole(block, "hidden_min", first + last, 1, SHOWN_CHARACTERS_MAX)
        return PartialMask(name, first, last, hidden_min, fill) if hidden_min else None

    def _email(self, name: str, value: Value) -> Mask | None:
        block = value.block(KEYS["mask_email"])
        domain, fill = _choice(block, "domain", "keep", ("keep", "hide")), _fill(block, "***")
        if domain is None or fill is None:
            return None
        return EmailMask(name, keep_domain=domain == "keep", fill=fill)

    def _key(self, block: Mapping[str, Value], value: Value) -> str | None:
        key = _text(block, "key", None)
        if key is None:
            value.problem('needs "key", the name of a declared key')
        elif key not in self.keys:
            block["key"].problem(
                f'key "{key}" is not declared under keys', near_miss(key, self.keys)
            )
        return key

    def _hash(self, name: str, value: Value) -> Mask | None:
        block = value.block(KEYS["mask_hash"])
        key, domain = self._key(block, value), _text(block, "domain", None)
        characters = _whole(block, "characters", HASH_CHARACTERS_DEFAULT, HASH_CHARACTERS_MIN, 64)
        if key is None or characters is None:
            return None
        return HashMask(name, key, domain, characters)

    def _generalise(self, name: str, value: Value) -> Mask | None:
        block = value.block(KEYS["mask_generalise"])
        if ("date" in block) is ("number" in block):
            value.problem('needs either "date" (a unit) or "number" (a bucket size)')
            return None
        if "date" in block:
            unit = _choice(block, "date", None, DATE_UNITS)
            of = _choice(block, "of", "date", _DATE_TYPES)
            if unit is None or of is None:
                return None
            if unit == "day" and of == "date":
                block["date"].problem("a date is already a day: choose a larger unit")
            return DateMask(name, unit, canonical_type(of))
        if "of" in block:
            block["of"].problem('"of" goes with "date"')
        bucket = _positive(block["number"])
        return NumberMask(name, bucket) if bucket else None

    def _noise(self, name: str, value: Value) -> Mask | None:
        block = value.block(KEYS["mask_noise"])
        key = self._key(block, value)
        if ("amount" in block) is ("percent" in block):
            value.problem('needs either "amount" or "percent"')
            return None
        amount = _positive(block["amount" if "amount" in block else "percent"])
        row_key = tuple(text for text, _ in block["row_key"].texts()) if "row_key" in block else ()
        if not row_key:
            value.problem('needs "row_key", the columns that identify a row')
        digits = _whole(block, "digits", 2, 0, NOISE_DIGITS_MAX)
        if key is None or amount is None or digits is None or not row_key:
            return None
        return NoiseMask(name, key, amount, "percent" in block, row_key, digits)

    def _json(self, name: str, value: Value) -> Mask | None:
        block = value.block(KEYS["mask_json"])
        if ("remove" in block) is ("keep" in block):
            value.problem('needs either "remove" (paths) or "keep" (top-level keys)')
            return None
        if "keep" in block:
            keep = tuple(text for text, _ in block["keep"].texts())
            if not 0 < len(keep) <= JSON_PATHS_MAX:
                block["keep"].problem(f"from 1 to {JSON_PATHS_MAX} keys")
            return JsonMask(name, remove=(), keep=keep)
        paths = [tuple(t for t, _ in item.texts()) for item in block["remove"].items()]
        if not 0 < len(paths) <= JSON_PATHS_MAX or not all(
            0 < len(path) <= JSON_STEPS_MAX for path in paths
        ):
            block["remove"].problem(
                f"from 1 to {JSON_PATHS_MAX} paths, each a list of 1 to {JSON_STEPS_MAX} keys"
            )
        return JsonMask(name, remove=tuple(paths), keep=())

    def _custom(self, name: str, value: Value) -> Mask | None:
        block = value.block(KEYS["mask_custom"])
        text = _text(block, "expression", None)
        result = _choice(block, "type", "text", ("text", "boolean", "same"))
        if text is None or result is None:
            value.problem('needs "expression"')
            return None
        try:
            body = parse_expression(text, self.scope)
        except PredicateError as error:
            block["expression"].problem(f"{error.message}{_at(error)}", error.suggestion)
            return None
        if result == "same" and not keeps_type(body):
            block["expression"].problem('with type "same" every result is value or NULL')
        if result == "boolean" and not could_be_boolean(body, self.scope.claim_types):
            block["expression"].problem('with type "boolean" the expression is a condition')
        return CustomMask(name, body, None if result == "same" else result)


def _at(error: PredicateError) -> str:
    return "" if error.position is None else f" (at character {error.position + 1})"


def _literal(value: Value, type_name: str, text: str) -> TypedLiteral | None:
    try:
        return typed_literal(type_name, text)
    except ValueError as error:
        value.problem(str(error))
        return None


def _text(block: Mapping[str, Value], key: str, default: str | None) -> str | None:
    return block[key].text() if key in block else default


def _whole(
    block: Mapping[str, Value], key: str, default: int, minimum: int, maximum: int
) -> int | None:
    return block[key].whole(minimum, maximum) if key in block else default


def _choice(
    block: Mapping[str, Value], key: str, default: str | None, known: tuple[str, ...]
) -> str | None:
    text = _text(block, key, default)
    if text is not None and text not in known:
        block[key].problem(f'"{text}" is not one of {", ".join(known)}', near_miss(text, known))
        return None
    return text


def _fill(block: Mapping[str, Value], default: str) -> str | None:
    fill = _text(block, "fill", default)
    if fill is not None and (len(fill) > FILL_CHARACTERS_MAX or "\x00" in fill):
        block["fill"].problem(f"at most {FILL_CHARACTERS_MAX} characters")
        return None
    return fill


def _positive(value: Value) -> str | None:
    text = value.text()
    if text is None:
        return None
    if not _POSITIVE.fullmatch(text) or float(text) == 0:
        value.problem("expected a positive decimal number")
        return None
    return text
