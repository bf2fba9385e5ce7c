"""The gate's URL: what is read, and every form that could send a token astray."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from proxy.runtime.gate_address import PORT_DEFAULT, AddressError, GateAddress, parse_address
from tests.servers.certificate import write


def test_all_parts() -> None:
    text = (
        "postgresql://al%40ice@gate.example:7000/my%20shop?sslmode=verify-full&sslrootcert=/a.pem"
    )

    assert parse_address(text) == GateAddress(
        "gate.example", 7000, "my shop", "al@ice", Path("/a.pem")
    )
    assert parse_address("postgres://[::1]/shop").port == PORT_DEFAULT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gate.example/shop", "postgresql://"),
        ("http://gate.example/shop", "postgresql://"),
        ("postgresql://u:secret@gate.example/shop", "no password"),
        ("postgresql:///shop", "a host"),
        ("postgresql://gate.example", "database"),
        ("postgresql://gate.example/a/b", "database"),
        ("postgresql://gate.example/shop?sslmode=disable", "verify-full"),
        ("postgresql://gate.example/shop?sslmode=require", "verify-full"),
        ("postgresql://gate.example/shop?host=evil.example", "host"),
        ("postgresql://gate.example:x/shop", "not a URL"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)

    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_only_this_machine_is_reached_without_tls(tmp_path: Path) -> None:
    certificate, _ = write(tmp_path)
    assert parse_address("postgresql://127.0.0.1/shop").tls_context() is None
    context = parse_address("postgresql://gate.example/shop").tls_context()
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    own = parse_address(f"postgresql://127.0.0.1/shop?sslrootcert={certificate}").tls_context()
    assert own is not None
