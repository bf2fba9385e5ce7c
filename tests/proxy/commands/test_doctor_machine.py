"""What is wrong with a machine: each defect made for real, and found."""

from __future__ import annotations

import datetime
import resource
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proxy.commands.doctor_machine import (
    EXPIRY_WARNING_DAYS,
    audit_room,
    certificates,
    descriptors,
    exposure,
    folders,
    machine,
    secret_files,
    secrets,
)
from proxy.runtime.config import Configuration, loads
from tests.proxy.runtime.configurations import MINIMAL, write_files

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


class Authority:
    """Makes certificates."""

    def __init__(self, name: str = "authority") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def certificate(
        self, *, days: int = 365, names: tuple[str, ...] = ("gate.example",), own: bool = False
    ) -> tuple[bytes, bytes]:
        """PEM of a certificate and of its key; `own`: the authority's."""
        key = self.key if own else ec.generate_private_key(ec.SECP256R1())
        subject = self.name if own else x509.Name([])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 400 * DAY)
            .not_valid_after(NOW + days * DAY)
        )
        if names:
            alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternative, critical=False)
        made = builder.sign(self.key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def configured(directory: Path, text: str = "") -> Configuration:
    if not (directory / "policies").exists():
        write_files(directory)
    return loads((MINIMAL + text).encode(), directory / "sallyport.yaml")


def shown(directory: Path, certificate: bytes, key: bytes) -> dict[str, str]:
    """Levels by text of what is found about these two files."""
    (directory / "c.pem").write_bytes(certificate)
    (directory / "k.pem").write_bytes(key)
    text = "\nlisten: {tls: {certificate: c.pem, key: k.pem}}\n"
    return {one.text: one.level for one in certificates(configured(directory, text), NOW)}


def test_a_good_certificate(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.certificate()
    chain = certificate + authority.certificate(own=True)[0]

    assert shown(tmp_path, chain, key) == {
        "valid until 2027-06-01, 365 days": "ok",
        "names gate.example": "ok",
    }


@pytest.mark.parametrize(
    ("days", "level"), [(-1, "problem"), (EXPIRY_WARNING_DAYS - 1, "warning"), (90, "ok")]
)
def test_expiry(tmp_path: Path, days: int, level: str) -> None:
    levels = shown(tmp_path, *Authority().certificate(days=days))
    assert next(iter(levels.values())) == level


def test_defects_of_certificates(tmp_path: Path) -> None:
    authority, other = Authority(), Authority("other")
    certificate, key = authority.certificate()
    foreign = other.certificate(own=True)[0]
    _, wrong_key = authority.certificate()

    assert shown(tmp_path, certificate + foreign, key)["the chain is out of order"] == "problem"
    assert shown(tmp_path, certificate, wrong_key)["the key belongs to another one"] == "problem"
    nameless, its_key = authority.certificate(names=())
    assert shown(tmp_path, nameless, its_key)["it names no host (subjectAltName)"] == "problem"
    assert shown(tmp_path, b"nonsense", key) == {"cannot be read: ValueError": "problem"}


def test_room_for_the_audit_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fine,) = audit_room(tmp_path / "not" / "there" / "yet", 1)
    assert fine.level in ("ok", "warning")
    (full,) = audit_room(tmp_path, 2**62)
    assert (full.level, "refuses work" in full.advice) == ("problem", True)
    # Root may write anywhere, so the answer is asked for and not the attempt made.
    monkeypatch.setattr("proxy.commands.doctor_machine.os.access", lambda *_: False)
    (refused,) = audit_room(tmp_path / "audit", 1)
    assert refused.level == "problem"
    assert "install -d -m 700" in refused.advice


@pytest.mark.parametrize(
    ("mode", "level"), [(0o600, "ok"), (0o400, "ok"), (0o640, "warning"), (0o644, "problem")]
)
def test_permissions_of_secrets(tmp_path: Path, mode: int, level: str) -> None:
    file = tmp_path / "password"
    file.write_text("x")
    file.chmod(mode)
    (found,) = secrets([file])

    assert found.level == level


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    (found,) = secrets([tmp_path / "password"])
    assert (found.level, found.text) == ("problem", "No such file or directory")


def test_every_secret_file_is_looked_at(tmp_path: Path) -> None:
    text = """
listen: {tls: {certificate: server.crt, key: server.key}}
mask_keys: [{name: one, file: mask}]
"""
    files = secret_files(configured(tmp_path, text))
    assert {path.name for path in files} == {"server.key", "mask"}


def test_secrets_of_state_and_telemetry(tmp_path: Path) -> None:
    text = """
state: {dsn: "postgresql://a@db.example/state?sslmode=verify-full", password: {file: state}}
telemetry: {url: "https://collector.example/v1/traces", headers: [{name: X-Key, file: key}]}
"""
    files = secret_files(configured(tmp_path, text))
    assert {"state", "key"} <= {path.name for path in files}


def test_folders_of_embedded_servers(tmp_path: Path) -> None:
    text = f"""
state: {{directory: {tmp_path}/new/state}}
federation: {{directory: /dev/null/merge}}
"""
    state, merge = sorted(folders(configured(tmp_path, text)), key=lambda one: one.level)
    assert (state.level, "state.directory" in state.subject) == ("ok", True)
    assert (merge.level, "install -d" in merge.advice) == ("problem", True)
    assert folders(configured(tmp_path)) == []


@pytest.mark.parametrize(
    ("text", "level"),
    [("", "warning"), ("metrics: {}", "ok"), ("metrics: {host: 0.0.0.0}", "warning")],
)
def test_who_may_ask_for_figures(tmp_path: Path, text: str, level: str) -> None:
    [found] = exposure(configured(tmp_path, text + "\n"))
    assert found.level == level


def test_open_files(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    assert descriptors(configuration, 1024)[0].level == "problem"
    assert "LimitNOFILE=1116" in descriptors(configuration, 1024)[0].advice
    assert descriptors(configuration, 1116)[0].level == "ok"
    assert descriptors(configuration, resource.RLIM_INFINITY)[0].level == "ok"


def test_all_together(tmp_path: Path) -> None:
    subjects = [one.subject for one in machine(configured(tmp_path), NOW)]
    assert any(subject.startswith("audit log") for subject in subjects)
    assert "open files" in subjects
