"""Channel binding data of type tls-server-end-point: a hash of the server's certificate.

This file must not know TLS: it gets the certificate as DER bytes. It reads just enough DER to find
the signature algorithm, because RFC 5929 §4.1 derives the hash from it (MD5 and SHA-1 become
SHA-256).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from proxy.wire.errors import InvalidValue

_SEQUENCE: Final = 0x30
_OBJECT_IDENTIFIER: Final = 0x06
_CONTEXT_0: Final = 0xA0

# Signature algorithm (as DER content in hex) to hash. PKCS #1: RFC 8017; ECDSA: RFC 5758.
_HASH_OF_SIGNATURE: Final[Mapping[str, str]] = {
    "2a864886f70d010104": "sha256",  # md5WithRSAEncryption
    "2a864886f70d010105": "sha256",  # sha1WithRSAEncryption
    "2a864886f70d01010e": "sha224",
    "2a864886f70d01010b": "sha256",
    "2a864886f70d01010c": "sha384",
    "2a864886f70d01010d": "sha512",
    "2a8648ce3d0401": "sha256",  # ecdsa-with-SHA1
    "2a8648ce3d040301": "sha224",
    "2a8648ce3d040302": "sha256",
    "2a8648ce3d040303": "sha384",
    "2a8648ce3d040304": "sha512",
}
_RSASSA_PSS: Final = "2a864886f70d01010a"
# The hash named inside RSASSA-PSS parameters; absent means SHA-1, hence SHA-256 here.
_HASH_OF_DIGEST: Final[Mapping[str, str]] = {
    "2b0e03021a": "sha256",  # SHA-1
    "608648016503040204": "sha224",
    "608648016503040201": "sha256",
    "608648016503040202": "sha384",
    "608648016503040203": "sha512",
}


def tls_server_end_point(certificate: bytes) -> bytes:
    """Return the binding data for a certificate in DER.

    Raises InvalidValue if it is not a certificate, or if its signature names no hash (Ed25519: RFC
    5929 leaves it undefined, and Postgres offers no channel binding for it).
    """
    outer, _ = _element(certificate, 0, len(certificate), _SEQUENCE)
    _, after_body = _element(certificate, *outer, _SEQUENCE)
    algorithm, _ = _element(certificate, after_body, outer[1], _SEQUENCE)
    identifier, after_identifier = _element(certificate, *algorithm, _OBJECT_IDENTIFIER)
    signature = certificate[slice(*identifier)].hex()
    if signature == _RSASSA_PSS:
        name = _pss_hash(certificate, after_identifier, algorithm[1])
    else:
        name = _HASH_OF_SIGNATURE.get(signature)
    if name is None:
        raise InvalidValue("the certificate's signature defines no channel binding")
    return hashlib.new(name, certificate).digest()


def _pss_hash(certificate: bytes, start: int, end: int) -> str | None:
    parameters, _ = _element(certificate, start, end, _SEQUENCE)
    if parameters[0] == parameters[1] or certificate[parameters[0]] != _CONTEXT_0:
        return "sha256"
    tagged, _ = _element(certificate, *parameters, _CONTEXT_0)
    algorithm, _ = _element(certificate, *tagged, _SEQUENCE)
    identifier, _ = _element(certificate, *algorithm, _OBJECT_IDENTIFIER)
    return _HASH_OF_DIGEST.get(certificate[slice(*identifier)].hex())


def _element(der: bytes, start: int, end: int, tag: int) -> tuple[tuple[int, int], int]:
    """Read one element at `start`: return the range of its content, and where the next begins."""
    if end - start < 2 or der[start] != tag:
        raise InvalidValue("not a certificate in DER")
    size = der[start + 1]
    content = start + 2
    if size & 0x80:
        size_bytes = size & 0x7F
        # Four bytes of length cover every certificate; an indefinite length (0) is not DER.
        if not 1 <= size_bytes <= 4 or end - content < size_bytes:
            raise InvalidValue("not a certificate in DER")
        size = int.from_bytes(der[content : content + size_bytes], "big")
        content += size_bytes
    if size > end - content:
        raise InvalidValue("not a certificate in DER")
    return (content, content + size), content + size
