"""Bytes of the audit log: a segment's header, and the records behind it. Pure functions.

This file must not know files, events or time: payloads are bytes to it.

A segment is one header and then records, big-endian:

    header  magic 8 · version u16 · reserved u16 (0) · segment number u32 · first sequence u64
            process id 16 · previous hash 32 · CRC-32 u32 of all before
    record  payload length u32 · CRC-32 u32 of length, hash and payload · hash 32 · payload

    hash = SHA-256(hash of the record before ‖ payload)

The first record of a process follows `genesis(process id)`, the first one of a later segment
follows the header's previous hash: a segment can neither be left out nor moved to another process.
The CRC tells damage from forgery: a flipped bit breaks it, an edit by hand breaks the chain.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"SPAUDIT\x01"
FORMAT_VERSION = 1
HASH_BYTES = 32
PROCESS_ID_BYTES = 16
# One statement's text twice (original, guarded), escaped as JSON, stays far below; a length above
# it is damage, so that a reader never allocates what a flipped bit asks for.
PAYLOAD_BYTES_MAX = 32 * 1024 * 1024

_HEADER = struct.Struct(">8sHHIQ16s32sI")
_RECORD = struct.Struct(">II32s")
_LENGTH = struct.Struct(">I")
HEADER_BYTES = _HEADER.size
RECORD_HEADER_BYTES = _RECORD.size


class FrameDamage(Exception):
    """Bytes that are not a record or a header. `offset` from the segment's start, in bytes.

    `is_incomplete`: the bytes end before the record does, as a write cut short leaves them.
    `resume_offset`: where the next record would start if the length was right, None if unknown.
    """

    def __init__(
        self, reason: str, offset: int, *, is_incomplete: bool = False, resume: int | None = None
    ) -> None:
        super().__init__(f"{reason} at byte {offset}")
        self.reason = reason
        self.offset = offset
        self.is_incomplete = is_incomplete
        self.resume_offset = resume


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says about itself. `first_sequence` numbers its first record, from 1."""

    number: int
    first_sequence: int
    process_id: bytes
    previous_hash: bytes

    def encode(self) -> bytes:
        """The header's bytes, always `HEADER_BYTES` long."""
        packed = _HEADER.pack(
            MAGIC,
            FORMAT_VERSION,
            0,
            self.number,
            self.first_sequence,
            self.process_id,
            self.previous_hash,
            0,
        )
        return packed[:-4] + _LENGTH.pack(zlib.crc32(packed[:-4]))

    @classmethod
    def decode(cls, segment: bytes) -> SegmentHeader:
        """Read the header at the start of a segment. Raises FrameDamage."""
        if len(segment) < HEADER_BYTES:
            raise FrameDamage("segment header is incomplete", 0, is_incomplete=True)
        magic, version, reserved, number, first, process_id, previous, crc = _HEADER.unpack_from(
            segment
        )
        if zlib.crc32(segment[: HEADER_BYTES - 4]) != crc:
            raise FrameDamage("segment header is damaged", 0)
        if magic != MAGIC or reserved != 0:
            raise FrameDamage("not an audit segment", 0)
        if version != FORMAT_VERSION:
            raise FrameDamage(f"audit format {version} is not known", 0)
        return cls(number, first, process_id, previous)


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole record with a correct CRC.

    `end` is the offset behind it; the chain is not yet checked.
    """

    offset: int
    end: int
    hash: bytes
    payload: bytes


def genesis(process_id: bytes) -> bytes:
    """The hash before a process's first record."""
    assert len(process_id) == PROCESS_ID_BYTES
    return hashlib.sha256(b"sallyport audit genesis\0" + process_id).digest()


def chain(previous: bytes, payload: bytes) -> bytes:
    """The hash of a record whose predecessor has the hash `previous`."""
    return hashlib.sha256(previous + payload).digest()


def encode_record(previous: bytes, payload: bytes) -> tuple[bytes, bytes]:
    """One record's bytes and its hash. Raises ValueError above `PAYLOAD_BYTES_MAX`."""
    if not 0 < len(payload) <= PAYLOAD_BYTES_MAX:
        raise ValueError(f"audit payload of {len(payload)} bytes, limit {PAYLOAD_BYTES_MAX}")
    digest = chain(previous, payload)
    length = _LENGTH.pack(len(payload))
    crc = zlib.crc32(payload, zlib.crc32(length + digest))
    return _RECORD.pack(len(payload), crc, digest) + payload, digest


def decode_record(segment: bytes, offset: int) -> Frame:
    """The record at `offset`. Raises FrameDamage; there must be at least one byte left."""
    start = offset + RECORD_HEADER_BYTES
    if start > len(segment):
        raise FrameDamage("record is incomplete", offset, is_incomplete=True)
    length, crc, digest = _RECORD.unpack_from(segment, offset)
    if not 0 < length <= PAYLOAD_BYTES_MAX:
        raise FrameDamage("record length is damaged", offset)
    end = start + length
    if end > len(segment):
        raise FrameDamage("record is incomplete", offset, is_incomplete=True)
    payload = segment[start:end]
    if zlib.crc32(payload, zlib.crc32(digest, zlib.crc32(segment[offset : offset + 4]))) != crc:
        raise FrameDamage("record is damaged", offset, resume=end)
    return Frame(offset, end, digest, payload)


def decode_records(segment: bytes) -> Iterator[Frame]:
    """Every record of a segment in order. Raises FrameDamage at the first that is not whole."""
    offset = HEADER_BYTES
    while offset < len(segment):
        frame = decode_record(segment, offset)
        yield frame
        offset = frame.end
