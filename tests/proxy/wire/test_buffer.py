"""Frames out of bytes, however the bytes are portioned; lengths and types refused on the header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.buffer import FrameBuffer
from proxy.wire.errors import ProtocolViolation
from proxy.wire.limits import PENDING_BYTES_SLACK

BOUNDS = {ord("A"): 104, ord("B"): 5}


def refuse(message_type: int) -> ProtocolViolation:
    return ProtocolViolation(f"refused {message_type}")


def frames_of(buffer: FrameBuffer) -> list[tuple[int, bytes]]:
    frames = []
    while (frame := buffer.next_frame(BOUNDS, refuse)) is not None:
        frames.append(frame)
    return frames


def frame(body: bytes) -> bytes:
    return b"A" + (len(body) + 4).to_bytes(4, "big") + body


def test_split_at_every_offset_gives_the_same_frames() -> None:
    stream = frame(b"first") + frame(b"") + b"B\0\0\0\x05x" + frame(b"y" * 100)
    expected = [(65, b"first"), (65, b""), (66, b"x"), (65, b"y" * 100)]

    for offset in range(len(stream) + 1):
        buffer = FrameBuffer()
        buffer.feed(stream[:offset])
        frames = frames_of(buffer)
        buffer.feed(stream[offset:])
        assert frames + frames_of(buffer) == expected
        assert len(buffer) == 0


@given(st.lists(st.binary(max_size=30), max_size=8), st.data())
def test_any_portions_give_the_same_frames(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(frame, bodies))
    buffer = FrameBuffer()
    frames = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        buffer.feed(stream[:size])
        stream = stream[size:]
        if data.draw(st.booleans()):
            frames += frames_of(buffer)

    assert [body for _, body in frames + frames_of(buffer)] == bodies


def test_trailing_bytes_are_kept() -> None:
    buffer = FrameBuffer()
    buffer.feed(frame(b"one") + b"A\0\0")

    assert frames_of(buffer) == [(65, b"one")]
    assert len(buffer) == 3
    assert repr(buffer) == "FrameBuffer(3 bytes)"


@pytest.mark.parametrize("length", [0, 1, 3, 105, 2**31, 2**32 - 1])
def test_a_length_out_of_bounds_is_refused_before_its_body_comes(length: int) -> None:
    buffer = FrameBuffer()
    buffer.feed(b"A" + length.to_bytes(4, "big"))

    with pytest.raises(ProtocolViolation, match=f"invalid message length: {length} bytes"):
        buffer.next_frame(BOUNDS, refuse)


def test_each_type_has_its_own_bound() -> None:
    buffer = FrameBuffer()
    buffer.feed(b"B\0\0\0\x06xx")

    with pytest.raises(ProtocolViolation, match="allowed are 4 to 5"):
        buffer.next_frame(BOUNDS, refuse)


def test_a_type_out_of_place_is_refused_on_its_first_byte() -> None:
    buffer = FrameBuffer()
    buffer.feed(b"Z")

    with pytest.raises(ProtocolViolation, match="refused 90"):
        buffer.next_frame(BOUNDS, refuse)


def test_what_lies_unread_is_bounded() -> None:
    buffer = FrameBuffer(limit_bytes=100)
    buffer.feed(b"A")

    buffer.feed(bytes(PENDING_BYTES_SLACK + 99))
    with pytest.raises(ProtocolViolation, match="without waiting for answers"):
        buffer.feed(b"x")


def test_dripping_single_bytes_costs_linear_time() -> None:
    # 300,000 portions: quadratic copying would move 45 GB and not end within a test run.
    body = b"z" * 300_000
    buffer = FrameBuffer()
    bounds = {ord("A"): 1_000_000}
    for byte in b"A" + (len(body) + 4).to_bytes(4, "big") + body:
        buffer.feed(bytes([byte]))
        received = buffer.next_frame(bounds, refuse)

    assert received == (65, body)


@pytest.mark.parametrize("length", [0, 7, 101, 2**32 - 1])
def test_an_untyped_packet_has_bounds_too(length: int) -> None:
    buffer = FrameBuffer()
    buffer.feed(length.to_bytes(4, "big"))

    with pytest.raises(ProtocolViolation, match="invalid length of startup packet"):
        buffer.next_packet(100)


def test_an_untyped_packet_is_returned_when_complete() -> None:
    packet = b"\0\0\0\x0aabcdef"
    for offset in range(len(packet)):
        buffer = FrameBuffer()
        buffer.feed(packet[:offset])
        assert buffer.next_packet(100) is None
        buffer.feed(packet[offset:] + b"rest")
        assert buffer.next_packet(100) == b"abcdef"
        assert len(buffer) == 4


def test_clear_forgets_everything() -> None:
    buffer = FrameBuffer()
    buffer.feed(b"A\0")
    buffer.feed(b"\0")
    buffer.clear()

    assert len(buffer) == 0
    assert buffer.next_frame(BOUNDS, refuse) is None
