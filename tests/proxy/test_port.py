"""One port for several sockets: who gets new connections, and who is counted."""

from __future__ import annotations

import socket

import pytest

from proxy.port import listeners, prefer, reserve, share

CONNECTIONS = 40


def listening(port: int) -> socket.socket:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(("127.0.0.1", port))
    one.listen(CONNECTIONS)
    one.setblocking(False)
    return one


def accepted(one: socket.socket) -> int:
    count = 0
    while True:
        try:
            one.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def knock(port: int) -> None:
    for _ in range(CONNECTIONS):
        socket.create_connection(("127.0.0.1", port)).close()


def test_one_of_them_can_have_every_connection() -> None:
    with reserve("127.0.0.1", 0) as reserved:
        port = reserved.getsockname()[1]
        with listening(port) as first, listening(port) as second:
            assert listeners(port) == 2
            prefer(second.fileno(), 1)
            knock(port)
            assert (accepted(first), accepted(second)) == (0, CONNECTIONS)
            prefer(second.fileno(), 0)
            knock(port)
            assert (accepted(first), accepted(second)) == (CONNECTIONS, 0)
            share(second.fileno())
            knock(port)
            one, two = accepted(first), accepted(second)
            assert one + two == CONNECTIONS
            assert min(one, two) > 0
        assert listeners(port) == 0


def test_a_taken_port_is_refused_unless_it_is_taken_over() -> None:
    with reserve("127.0.0.1", 0) as reserved:
        port = reserved.getsockname()[1]
        with listening(port):
            with pytest.raises(OSError):
                reserve("127.0.0.1", port)
            reserve("127.0.0.1", port, is_taken_over=True).close()
