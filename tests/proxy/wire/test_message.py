"""The markers: every message has one direction, every type byte one message in its direction."""

from __future__ import annotations

import pytest

from proxy.wire import backend, frontend
from proxy.wire.errors import MalformedMessage
from proxy.wire.message import BackendMessage, FrontendMessage, Message


def messages_of(module: object) -> list[type[Message]]:
    found = [value for value in vars(module).values() if isinstance(value, type)]
    markers = (Message, FrontendMessage, BackendMessage)
    return [kind for kind in found if issubclass(kind, Message) and kind not in markers]


def test_every_message_has_exactly_one_direction() -> None:
    for module, direction, other in (
        (frontend, FrontendMessage, BackendMessage),
        (backend, BackendMessage, FrontendMessage),
    ):
        named = [kind for kind in messages_of(module) if kind.__name__ in module.__all__]
        assert len(named) > 15
        for kind in named:
            assert issubclass(kind, direction)
            assert not issubclass(kind, other)


def test_every_typed_backend_message_has_a_decoder() -> None:
    types = {kind.TYPE[0] for kind in messages_of(backend) if kind.TYPE}

    assert types == set(backend.DECODERS)


def test_frontend_type_bytes_differ_except_for_the_three_proofs() -> None:
    types = [kind.TYPE for kind in messages_of(frontend) if kind.TYPE and kind.TYPE != b"p"]

    assert len(types) == len(set(types))


def test_an_empty_message_refuses_a_body() -> None:
    assert frontend.Sync.decode(b"") == frontend.Sync()
    with pytest.raises(MalformedMessage, match="invalid Sync message: it must be empty"):
        frontend.Sync.decode(b"x")
    with pytest.raises(MalformedMessage):
        backend.ParseComplete.decode(b"\0")


def test_messages_are_values() -> None:
    assert frontend.Query("a") == frontend.Query("a")
    assert frontend.Query("a") != frontend.Query("b")
    with pytest.raises(AttributeError):
        frontend.Query("a").sql = "b"  # type: ignore[misc]
