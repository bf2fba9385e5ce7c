"""From configuration to judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from policies.claims import ClaimValue
from policies.identity import ClaimMapping, ClaimSource, Identity
from proxy import reception_desk
from proxy.proof import Invitation
from proxy.runtime.config import Configuration, ListenTls, Oauth, State, load
from proxy.runtime.state.database import opened
from proxy.runtime.state.place import StatePlace
from tests.proxy.runtime.configurations import write_files
from tests.servers import certificate


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return load(write_files(tmp_path))


async def no_lookup(_: Identity, __: Mapping[str, ClaimSource]) -> Mapping[str, ClaimValue]:
    return {}


def test_what_is_not_configured_is_not_there(configuration: Configuration) -> None:
    found = reception_desk.judges(configuration, lambda: ClaimMapping({}), no_lookup, None)
    assert (found.admission, found.invitation, found.channel_binding) == (None, None, None)
    assert reception_desk.watch(configuration, None) is None


async def test_what_is(configuration: Configuration, tmp_path: Path) -> None:
    file, key = certificate.write(tmp_path)
    configuration = replace(
        configuration,
        identity=replace(
            configuration.identity, oauth=Oauth("https://login.example.com", "openid email")
        ),
        listen=replace(configuration.listen, tls=ListenTls(file, key)),
        state=State(dsn="postgresql://a@127.0.0.1:1/b"),
    )
    async with opened(StatePlace("postgresql://a@127.0.0.1:1/b")) as state:
        found = reception_desk.judges(configuration, lambda: ClaimMapping({}), no_lookup, state)
        assert found.invitation == Invitation("https://login.example.com", "openid email")
        assert found.admission is not None
        assert found.channel_binding is not None
        assert len(found.channel_binding) == 32
        assert reception_desk.watch(configuration, state) is not None


def test_a_file_without_a_certificate_binds_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nothing")
    assert reception_desk.channel_binding(tmp_path / "x.pem") is None
