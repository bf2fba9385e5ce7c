"""The operator's extensions: what the configuration and the reviews together allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.extensions import allow, schemas, trusted_extensions
from proxy.runtime.config_model import Configuration, Extension
from proxy.sql.allow import CLASSIFICATION
from proxy.sql.classification import Kind


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    allow(())


def configured(*extensions: Extension) -> Configuration:
    made = Configuration.__new__(Configuration)
    object.__setattr__(made, "extensions", extensions)
    object.__setattr__(made, "file", Path())
    return made


def test_a_review_names_what_may_be_used() -> None:
    (hstore,) = trusted_extensions(configured(Extension("hstore")))

    assert hstore.is_reviewed
    assert {"akeys", "each"} <= hstore.functions
    assert "populate_record" not in hstore.functions
    assert "@>(hstore,hstore)" in hstore.operators
    assert hstore.types == {"hstore"}


def test_only_a_review_shares_the_name_of_a_built_in_function() -> None:
    trusted = trusted_extensions(
        configured(Extension("citext"), Extension("mine", functions=("max", "pg_read_file", "f")))
    )

    assert "max" in trusted[0].shared_functions
    assert trusted[1].functions == {"f"}
    assert trusted[1].shared_functions == frozenset()


def test_allowed_names_carry_their_schema_and_the_next_list_replaces_them() -> None:
    trusted = trusted_extensions(
        configured(Extension("hstore", "ext"), Extension("mine", "own", operators=("~~~~",)))
    )
    allow(trusted)

    assert CLASSIFICATION.function("akeys", 1).schema == "ext"
    assert CLASSIFICATION.operator("~~~~").is_allowed
    assert CLASSIFICATION.type("hstore").is_allowed
    assert schemas(trusted) == ("ext", "own")

    allow(())

    assert CLASSIFICATION.function("akeys", 1).kind is Kind.UNKNOWN
    assert CLASSIFICATION.operator("~~~~").kind is Kind.UNKNOWN


def test_a_closed_built_in_stays_closed() -> None:
    allow(trusted_extensions(configured(Extension("mine", functions=("pg_read_file",)))))

    assert CLASSIFICATION.function("pg_read_file", 1).kind is Kind.REFUSED
