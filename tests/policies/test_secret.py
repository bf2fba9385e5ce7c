"""A secret has no printable form, by any of the ways that things get printed (I8)."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import dataclass

import pytest

from policies.secret import PRINTED_FORM, Secret

VALUE = "hunter2-correct-horse"


@dataclass
class Holder:
    password: Secret[str]


@pytest.mark.parametrize(
    "printed",
    [
        repr(Secret(VALUE)),
        str(Secret(VALUE)),
        f"{Secret(VALUE)}",
        f"{Secret(VALUE)!r:>30}",
        "{:50}".format(Secret(VALUE)),  # noqa: UP032
        "%s %r" % (Secret(VALUE), Secret(VALUE)),  # noqa: UP031
        repr(Holder(Secret(VALUE))),
        repr([Secret(VALUE.encode())]),
        str(ValueError(Secret(VALUE))),
    ],
)
def test_no_printable_form(printed: str) -> None:
    assert VALUE not in printed
    assert PRINTED_FORM in printed


def test_reveal() -> None:
    assert Secret(VALUE).reveal() == VALUE
    assert Secret(b"x").reveal() == b"x"


@pytest.mark.parametrize(
    "leak",
    [pickle.dumps, copy.copy, copy.deepcopy, hash, json.dumps, lambda secret: {secret: 1}],
    ids=["pickle", "copy", "deepcopy", "hash", "json", "key"],
)
def test_other_ways_out_are_errors(leak: object) -> None:
    assert callable(leak)
    with pytest.raises(TypeError) as caught:
        leak(Secret(VALUE))
    assert VALUE not in str(caught.value)


def test_equality() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret(b"a") == Secret(b"a")
    assert Secret("a") != Secret(b"a")
    assert Secret("ä") == Secret("ä")
    assert Secret("a") != "a"


def test_truth_and_attributes() -> None:
    assert Secret("a")
    assert not Secret("")
    with pytest.raises(AttributeError):
        Secret("a").other = 1  # type: ignore[attr-defined]
    assert not hasattr(Secret("a"), "__dict__")
