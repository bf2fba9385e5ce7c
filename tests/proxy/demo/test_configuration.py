"""The demonstration's configuration: taken by the real loader, for the demonstration only."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.demo import company
from proxy.demo.configuration import FILES_POLICY_FILE, POLICY_FILE, configuration_text
from proxy.demo.issuer import DemoIssuer
from proxy.demo.state import State
from proxy.runtime.config import ConfigurationError, load
from proxy.runtime.demonstration import DEMO_ISSUER


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A state directory with its configuration, as at a start."""
    state = State(tmp_path)
    state.password()
    state.files.mkdir()
    state.configuration.write_text(
        configuration_text(
            state,
            DemoIssuer.open(tmp_path),
            listen=("127.0.0.1", 15432),
            socket_directory=tmp_path / "sockets",
        )
    )
    return state.configuration


def test_the_loader_takes_it(written: Path) -> None:
    configuration = load(written, is_demonstration=True)
    (source,) = configuration.databases
    (files,) = configuration.folders
    (issuer,) = configuration.identity.issuers
    assert (configuration.listen.host, configuration.listen.port) == ("127.0.0.1", 15432)
    assert (source.database, source.user) == (company.DATABASE, company.GATE_ROLE)
    assert source.hosts == (str(written.parent / "sockets"),)
    assert issuer.issuer == DEMO_ISSUER
    assert configuration.policies == (POLICY_FILE, FILES_POLICY_FILE)
    assert (files.name, files.folder) == ("files", State(written.parent).files)


def test_a_real_gate_refuses_it(written: Path) -> None:
    with pytest.raises(ConfigurationError, match="demonstration"):
        load(written)


def test_data_and_the_catalog_server_never_share_a_folder(written: Path) -> None:
    configuration = load(written, is_demonstration=True)
    shadow, cluster = configuration.shadow.directory, State(written.parent).cluster
    assert shadow is not None
    assert not shadow.is_relative_to(cluster)
    assert not cluster.is_relative_to(shadow)


def test_no_secret_stands_in_it(written: Path) -> None:
    text = written.read_text()
    assert State(written.parent).password().reveal() not in text
    assert "PRIVATE" not in text
