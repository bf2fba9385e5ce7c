"""Goal: rows follow the columns that a server's catalogs have. Their values are test_written's.

Method: statements for made-up catalogs.
"""

from __future__ import annotations

import pytest

from proxy.catalog.written_rows import CATALOGS, has_not_nulls, inserts

KNOWN = {
    "pg_class": (
        "oid relname relnamespace reltype relam relfilenode relpages reltuples relallvisible"
        " reltoastrelid relhasindex relisshared relkind relnatts relreplident relfrozenxid"
        " relminmxid relacl"
    ).split(),
    "pg_attribute": (
        "attrelid attname atttypid attnum atttypmod attndims attlen attbyval attalign attstorage"
        " attnotnull attidentity attcollation"
    ).split(),
    "pg_type": "oid typname typnamespace typowner typrelid typarray typelem".split(),
    "pg_index": (
        "indexrelid indrelid indnatts indnkeyatts indisunique indisprimary indkey indcollation"
        " indclass indoption"
    ).split(),
    "pg_constraint": "oid conname connamespace contype conrelid conindid connoinherit conkey".split(),
}


def test_what_is_not_changed_comes_from_the_exemplar() -> None:
    made = inserts({**KNOWN, "pg_type": [*KNOWN["pg_type"], "typnew"]})
    assert set(KNOWN) == set(CATALOGS)
    assert any("e.typnew" in insert.sql for insert in made)
    groups = [insert.group for insert in made]
    assert groups.index("tables") < groups.index("columns") < groups.index("keys")


def test_a_column_that_is_gone_is_an_error_of_ours() -> None:
    with pytest.raises(AssertionError, match="relnatts"):
        inserts({**KNOWN, "pg_class": ["oid"]})


def test_not_null_constraints_have_names_since_18() -> None:
    assert not has_not_nulls(KNOWN)
    assert has_not_nulls({**KNOWN, "pg_constraint": ["conenforced"]})
