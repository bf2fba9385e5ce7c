"""Where the gate's answers to the corpus differ from a real Postgres', on purpose, and how far.

By the number of the entry in `tests/proxy/catalog/queries.sql`. Everything else must be equal, but
for three things that hold everywhere: numbers of objects (compared by the names they stand for),
the order of rows, and rows about the gate's own twins of shared tables (`pgv_…` in pg_catalog).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """How one entry is compared.

    `columns` are left out of every row (from 0); `is_part`: each row of the gate is among the real
    ones; `is_own`: only rows that name a visible object; `is_shape`: columns only.
    """

    reason: str
    columns: tuple[int, ...] = ()
    is_part: bool = False
    is_own: bool = False
    is_shape: bool = False


EQUAL = Difference("")

_SIZES = "nothing is stored, so sizes are zero"
_ONE_DATABASE = "there is one database, of no size and without a comment"
_PRIVILEGES = "privileges that the lock-down took away, and functions that it replaced"
_TRANSACTIONS = "transaction numbers are as in a new cluster; privileges were taken away"
_VERSION = "the gate says that it is one"
_SETTINGS = "settings of another server"

DIFFERENCES = {
    2: Difference(_SIZES, columns=(6,)),
    3: Difference(_SIZES, columns=(6,)),
    32: Difference(_ONE_DATABASE, is_part=True),
    33: Difference(_ONE_DATABASE, columns=(8,), is_part=True),
    42: Difference(_SIZES, columns=(7,)),
    62: Difference(_SETTINGS, is_shape=True),
    74: Difference(_ONE_DATABASE, is_part=True),
    98: Difference(_TRANSACTIONS, columns=(17, 18), is_own=True),
    99: Difference(_PRIVILEGES, is_shape=True),
    101: Difference(_PRIVILEGES, columns=(7,)),
    134: Difference(_PRIVILEGES, is_own=True),
    135: Difference(_PRIVILEGES, is_shape=True),
    144: Difference(_VERSION, is_shape=True),
    265: Difference(_ONE_DATABASE, is_part=True),
    280: Difference(_ONE_DATABASE, is_part=True),
    287: Difference(_VERSION, is_shape=True),
    290: Difference(_ONE_DATABASE, is_part=True),
    301: Difference(_ONE_DATABASE, is_part=True),
    384: Difference(_VERSION, columns=(1,)),
    410: Difference(_ONE_DATABASE, is_part=True),
    412: Difference(_TRANSACTIONS, columns=(29,)),
    415: Difference(_SIZES, columns=(30,)),
    438: Difference(_SIZES, is_shape=True),
    443: Difference(_VERSION, columns=(3,)),
}

DIFFERENCES_OF_NEW = {
    # What psql 15 asks of \l and \dO fails against 17 and newer: the same error from both.
    32: EQUAL,
    33: EQUAL,
    74: EQUAL,
    412: Difference(_TRANSACTIONS, columns=(30,)),
}
"""Where a newer Postgres is compared otherwise."""
