"""The list of settings as a whole: no way around policy, and units in the names that need one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from proxy.runtime.config_model import Audit, Configuration, Identity, Jwks, Password, SourceTls
from proxy.runtime.config_schema import REQUIRED, Row, document

ROWS = document()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_no_name_or_value_turns_anything_off(row: Row) -> None:
    """INVARIANT I13, as far as a name can show it."""
    words = re.split(r"[._\[\]]+", row.key)
    forbidden = {
        "allow",
        "anonymous",
        "bypass",
        "debug",
        "disable",
        "disabled",
        "enable",
        "enabled",
        "enforce",
        "insecure",
        "off",
        "optional",
        "permissive",
        "skip",
        "trust",
        "unsafe",
    }
    assert forbidden.isdisjoint(words)
    # The one off switch: encryption towards a source, which is not policy.
    if row.key != "sources[].tls.mode":
        assert {"off", "none", "disable", "disabled"}.isdisjoint(row.type.split(" / "))


def test_what_makes_the_gate_a_gate_is_required() -> None:
    required = {row.key for row in ROWS if row.default == REQUIRED}
    assert {
        "identity",
        "identity.issuers",
        "policies",
        "sources",
        "audit",
        "audit.directory",
    } <= required


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.type in ("integer", "number")], ids=lambda row: row.key
)
def test_numbers_have_a_unit_and_a_bound_in_their_name(row: Row) -> None:
    name = row.key.rsplit(".", 1)[-1]
    exact = {"port", "workers", "threads", "skew_seconds", "cache_seconds", "sampled_share"}
    assert name in exact or name.endswith(("_max", "_min")), name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_every_setting_says_what_it_means(row: Row) -> None:
    assert len(row.meaning) >= 6
    assert not row.meaning.endswith(".")


def test_exactly_one_way() -> None:
    assert Jwks(url="https://a").check() is None
    assert Jwks().check() == "exactly one of `file`, `url` is needed"
    assert Password(environment="A", command=("b",)).check() is not None
    assert SourceTls().check() is None


def test_the_sections_are_those_of_the_root() -> None:
    assert {row.key for row in ROWS if "." not in row.key} == {
        name for name in Configuration.__dataclass_fields__ if name not in ("file", "version")
    }


def test_names_of_the_search_path() -> None:
    root: dict[str, Any] = {
        "identity": Identity(issuers=()),
        "policies": (),
        "sources": (),
        "audit": Audit(Path()),
    }
    assert Configuration(**root).check() is None
    assert Configuration(**root, search_path=("é" * 31, "$user")).check() is None
    for name in ("", "é" * 32):
        refusal = Configuration(**root, search_path=("public", name)).check()
        assert refusal is not None
        assert "1 to 63 bytes" in refusal
