"""The protocols hold for what implements them, and Bind's shorthand is spelt out rightly."""

from __future__ import annotations

import pytest

from proxy.sources.base import Arguments, CopyStream, RowStream, Source, SourceConnection
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_connection import PostgresConnection
from tests.proxy.sources.live import fragment, rows_of, series, upto


@pytest.mark.parametrize(
    ("values", "formats", "expected"),
    [
        ((), (), ()),
        ((b"a", b"b"), (), (0, 0)),
        ((b"a", None), (1,), (1, 1)),
        ((b"a", b"b"), (0, 1), (0, 1)),
    ],
)
def test_format_shorthand(
    values: tuple[bytes | None, ...], formats: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert Arguments(values, formats).format_of_each() == expected


def test_arguments_do_not_print_values() -> None:
    assert "hush" not in repr(Arguments((b"hush",)))


async def test_postgres_keeps_the_promises(
    source: PostgresSource, connection: PostgresConnection
) -> None:
    # mypy checks these two assignments; isinstance checks the streams' attributes at run time.
    as_source: Source = source
    as_connection: SourceConnection = connection
    assert as_source.name == "main"
    stream = await as_connection.execute(series(), upto(1))
    assert isinstance(stream, RowStream)
    await rows_of(stream)
    copy = await as_connection.copy_out(fragment("COPY (SELECT 1) TO STDOUT"))
    assert isinstance(copy, CopyStream)
    await copy.aclose()
