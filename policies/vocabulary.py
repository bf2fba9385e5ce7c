"""The words of the condition language: operators, functions, and what is certainly no condition.

This file must not know how conditions are parsed. Everything listed is *total*: for every stored
value of the types that have it, it returns. The same word with other types is a type error that
`check` or the source reports at once, never a failure that depends on a row.
"""

from __future__ import annotations

from collections.abc import Mapping

from policies import expression as tree
from policies.claims import ClaimType
from policies.expression import Expression

COMPARISONS = frozenset({"=", "<>", "<", ">", "<=", ">="})
# Total on every value of the types that have them (arrays, ranges, jsonb, text).
BOOLEAN_OPERATORS = COMPARISONS | {"&&", "@>", "<@", "?", "^@"}
VALUE_OPERATORS = frozenset({"||", "->", "->>"})
ARRAY_OPERATORS = frozenset({"&&", "@>", "<@"})
ALL_OPERATORS = sorted(BOOLEAN_OPERATORS | VALUE_OPERATORS)

# name -> (fewest arguments, most arguments, arguments that must be literal numbers, smallest such
# number)
FUNCTIONS: Mapping[str, tuple[int, int, tuple[int, ...], int]] = {
    "btrim": (1, 2, (), 0),
    "cardinality": (1, 1, (), 0),
    "char_length": (1, 1, (), 0),
    "jsonb_typeof": (1, 1, (), 0),
    "left": (2, 2, (1,), 0),
    "length": (1, 1, (), 0),
    "lower": (1, 1, (), 0),
    "ltrim": (1, 2, (), 0),
    "right": (2, 2, (1,), 0),
    "rtrim": (1, 2, (), 0),
    "split_part": (3, 3, (2,), 1),
    "starts_with": (2, 2, (), 0),
    "strpos": (2, 2, (), 0),
    "substr": (2, 3, (1, 2), 1),
    "translate": (3, 3, (), 0),
    "upper": (1, 1, (), 0),
}
SPECIAL_FUNCTIONS = ("claim", "role", "now")
FUNCTION_NAMES = tuple(sorted((*FUNCTIONS, *SPECIAL_FUNCTIONS, "coalesce", "nullif")))

BOOLEAN_TESTS = {
    "IS_TRUE": "TRUE",
    "IS_NOT_TRUE": "NOT TRUE",
    "IS_FALSE": "FALSE",
    "IS_NOT_FALSE": "NOT FALSE",
    "IS_UNKNOWN": "UNKNOWN",
    "IS_NOT_UNKNOWN": "NOT UNKNOWN",
}


def could_be_boolean(node: Expression, claim_types: Mapping[str, ClaimType]) -> bool:
    """False for what is certainly not a condition; a bare column may be one."""
    match node:
        case tree.Literal(kind, _):
            return kind in ("boolean", "null")
        case tree.TypedLiteral(type_name, _):
            return type_name == "boolean"
        case tree.Claim(name):
            return claim_types[name].name == "boolean"
        case tree.Operator(operator, _, _):
            return operator in BOOLEAN_OPERATORS or operator.startswith("IS ")
        case tree.Call(function, _):
            return function == "starts_with"
        case tree.ToText() | tree.Current() | tree.Array() | tree.Row():
            return False
        case tree.Case(arms, otherwise):
            return all(
                could_be_boolean(n, claim_types) for n in (*(then for _, then in arms), otherwise)
            )
        case _:
            return True
