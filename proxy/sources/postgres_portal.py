"""A bound portal and what has been taken from it: the place where a fragment's row and byte limits
are counted.

It must not know sockets. Limits belong to the portal, not to one Execute: fetching in small
portions does not enlarge them.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.sources.postgres_statement import Statement
from proxy.wire.backend import RowDescription
from proxy.wire.batch import RowBatch
from proxy.wire.buffer import HEADER


@dataclass(slots=True)
class Portal:
    """`tells_text`: errors may be told in the source's words (see `condition.edit_error`)."""

    name: str
    statement: Statement
    description: RowDescription | None = None
    row_limit: int | None = None
    byte_limit: int | None = None
    tells_text: bool = False
    rows: int = 0
    bytes: int = 0
    is_complete: bool = False
    is_truncated: bool = False

    @property
    def has_limit(self) -> bool:
        return self.row_limit is not None or self.byte_limit is not None

    def admit(self, batch: RowBatch) -> RowBatch:
        """Count a batch, and cut it at the first row beyond a limit; sets `is_truncated` when it
        cuts.
        """
        if not self.has_limit:
            self.rows += batch.count
            self.bytes += len(batch.data)
            return batch
        rows_left = batch.count if self.row_limit is None else self.row_limit - self.rows
        bytes_left = len(batch.data) if self.byte_limit is None else self.byte_limit - self.bytes
        if rows_left < batch.count or bytes_left < len(batch.data):
            count, end = whole_frames(batch.data, min(rows_left, batch.count), bytes_left)
            batch = RowBatch(count, batch.data[:end])
            self.is_truncated = True
            self.is_complete = True
        self.rows += batch.count
        self.bytes += len(batch.data)
        return batch


def whole_frames(data: bytes, frames_max: int, bytes_max: int) -> tuple[int, int]:
    """How many leading frames fit within both limits, and where the last of them ends."""
    count = end = 0
    while count < frames_max:
        _, length = HEADER.unpack_from(data, end)
        if end + 1 + length > bytes_max:
            break
        end += 1 + length
        count += 1
    return count, end
