"""The hash of a certificate follows its signature algorithm (RFC 5929 §4.1)."""

from __future__ import annotations

import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.channel_binding import tls_server_end_point
from proxy.wire.errors import InvalidValue

RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
DAY = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


def certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    algorithm: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None,
    rsa_padding: padding.PSS | None = None,
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(DAY)
        .not_valid_after(DAY + datetime.timedelta(days=1))
    )
    signed = builder.sign(key, algorithm, rsa_padding=rsa_padding)
    return signed.public_bytes(Encoding.DER)


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY], ids=["rsa", "ec"])
@pytest.mark.parametrize(
    ("algorithm", "name"),
    [(hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384"), (hashes.SHA512(), "sha512")],
)
def test_the_hash_is_the_signatures_hash(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    algorithm: hashes.SHA256 | hashes.SHA384 | hashes.SHA512,
    name: str,
) -> None:
    der = certificate(key, algorithm)

    assert tls_server_end_point(der) == hashlib.new(name, der).digest()


def test_pss_names_its_hash_in_its_parameters() -> None:
    algorithm = hashes.SHA384()
    der = certificate(RSA_KEY, algorithm, padding.PSS(padding.MGF1(algorithm), 32))

    assert tls_server_end_point(der) == hashlib.sha384(der).digest()


@pytest.mark.parametrize("oid", ["2a864886f70d010104", "2a864886f70d010105", "2a8648ce3d0401"])
def test_md5_and_sha1_become_sha256(oid: str) -> None:
    # The library signs with neither any more, so this is the skeleton of a certificate.
    identifier = b"\x06" + bytes([len(oid) // 2]) + bytes.fromhex(oid)
    content = b"\x30\0" + b"\x30" + bytes([len(identifier)]) + identifier
    der = b"\x30" + bytes([len(content)]) + content

    assert tls_server_end_point(der) == hashlib.sha256(der).digest()


def test_a_signature_without_a_hash_defines_no_binding() -> None:
    der = certificate(ed25519.Ed25519PrivateKey.generate(), None)

    with pytest.raises(InvalidValue, match="defines no channel binding"):
        tls_server_end_point(der)


CERTIFICATE = certificate(EC_KEY, hashes.SHA256())


@given(st.data())
def test_garbage_is_the_documented_error(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, len(CERTIFICATE) - 1))
    with pytest.raises(InvalidValue):
        tls_server_end_point(CERTIFICATE[:size])
    with pytest.raises(InvalidValue):
        tls_server_end_point(b"\x30\x80" + CERTIFICATE)
