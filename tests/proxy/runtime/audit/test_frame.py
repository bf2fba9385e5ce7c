"""Records and headers: what goes in comes out, and no changed bit goes unnoticed."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.runtime.audit.frame import (
    HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    RECORD_HEADER_BYTES,
    FrameDamage,
    SegmentHeader,
    chain,
    decode_record,
    decode_records,
    encode_record,
    genesis,
)

PROCESS = b"p" * 16
HEADER = SegmentHeader(3, 101, PROCESS, b"h" * 32)


def _segment(payloads: list[bytes]) -> bytes:
    content, previous = HEADER.encode(), HEADER.previous_hash
    for payload in payloads:
        frame, previous = encode_record(previous, payload)
        content += frame
    return content


def test_header_round_trip() -> None:
    encoded = HEADER.encode()
    assert len(encoded) == HEADER_BYTES
    assert SegmentHeader.decode(encoded + b"records") == HEADER


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=8))
def test_records_round_trip_and_chain(payloads: list[bytes]) -> None:
    frames = list(decode_records(_segment(payloads)))
    assert [frame.payload for frame in frames] == payloads
    previous = HEADER.previous_hash
    for frame in frames:
        assert frame.hash == chain(previous, frame.payload)
        previous = frame.hash


def test_every_flipped_bit_of_a_header_is_noticed() -> None:
    encoded = HEADER.encode()
    for bit in range(len(encoded) * 8):
        changed = bytearray(encoded)
        changed[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(FrameDamage):
            SegmentHeader.decode(bytes(changed))


def test_every_flipped_bit_of_a_record_is_noticed() -> None:
    frame, _ = encode_record(b"h" * 32, b'{"a":1}')
    for bit in range(len(frame) * 8):
        changed = bytearray(frame)
        changed[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(FrameDamage):
            decode_record(bytes(changed), 0)


def test_every_cut_is_incomplete_and_never_a_shorter_record() -> None:
    frame, _ = encode_record(b"h" * 32, b'{"a":1}')
    for length in range(1, len(frame)):
        with pytest.raises(FrameDamage) as caught:
            decode_record(frame[:length], 0)
        assert caught.value.is_incomplete


def test_a_damaged_length_never_asks_for_memory() -> None:
    huge = (PAYLOAD_BYTES_MAX + 1).to_bytes(4, "big") + bytes(RECORD_HEADER_BYTES)
    with pytest.raises(FrameDamage) as caught:
        decode_record(huge, 0)
    assert caught.value.resume_offset is None
    assert not caught.value.is_incomplete


@pytest.mark.parametrize("size", [0, PAYLOAD_BYTES_MAX + 1])
def test_payload_limits(size: int) -> None:
    with pytest.raises(ValueError):
        encode_record(b"h" * 32, bytes(size))


def test_an_unknown_format_version_is_refused() -> None:
    body = HEADER.encode()[:8] + b"\x00\x02" + HEADER.encode()[10:-4]
    with pytest.raises(FrameDamage, match="format 2"):
        SegmentHeader.decode(body + zlib.crc32(body).to_bytes(4, "big"))


def test_genesis_differs_by_process() -> None:
    assert genesis(b"a" * 16) != genesis(b"b" * 16)
