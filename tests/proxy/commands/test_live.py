"""Sources as they are: readable, down, refusing; and nothing secret in what is told of them."""

from __future__ import annotations

import io
import ssl
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from proxy.catalog.virtual import CatalogError
from proxy.commands.live import SourceView, look_at_source, look_at_sources, unreadable
from proxy.demo.terminal import Progress
from proxy.runtime.config import Files, load
from proxy.runtime.credential import CredentialError
from tests.proxy.commands.conftest import GATE_PASSWORD, Workplace


async def look(
    workplace: Workplace, relations: tuple[tuple[str, str, str], ...] = (), **source: object
) -> SourceView:
    workplace.configure(**source)
    stream = io.StringIO()
    (view,) = await look_at_sources(load(workplace.configuration), relations, Progress(stream))
    assert "source shop" in stream.getvalue()
    return view


async def test_schema_and_role_are_read(workplace: Workplace) -> None:
    asked = (("shop", "shop", "orders"), ("shop", "shop", "credentials"), ("other", "a", "b"))
    view = await look(workplace, asked)
    assert view.failures == []
    assert view.catalog is not None
    assert view.role is not None
    assert "orders" in {key.name for key in view.catalog.relations}
    assert view.role.unreadable == (("shop", "credentials"),)
    assert view.role.missing == ()


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"hosts": ["127.0.0.1:1"]}, "cannot be reached"),
        ({"user": "stranger"}, 'password authentication failed for user "stranger"'),
        ({"database": "nothing_here"}, 'database "nothing_here" does not exist'),
        ({"password": {"environment": "NOT_SET_ANYWHERE"}}, "NOT_SET_ANYWHERE is not set"),
        ({"tls": {"mode": "verify-full"}}, "TLS"),
    ],
    ids=["down", "stranger", "no database", "no password", "unknown authority"],
)
async def test_what_is_wrong_is_a_sentence(
    source: dict[str, object], told: str, workplace: Workplace
) -> None:
    view = await look(workplace, (), **source)
    assert view.catalog is None
    assert view.role is None
    (failure,) = view.failures
    assert told in failure
    assert GATE_PASSWORD not in failure


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CatalogError("too many"), "too many"),
        (CredentialError("no file"), "no file"),
        (TimeoutError(), "it does not answer in time"),
        (ssl.SSLError("x"), "TLS: SSLError"),
        (ConnectionRefusedError(111, "refused"), "it cannot be reached: refused"),
        (ValueError("postgresql://me:secret@x"), "it cannot be connected to: ValueError"),
        (asyncpg.InterfaceError("dsn with secret"), "it cannot be connected to: InterfaceError"),
    ],
)
def test_texts_that_may_quote_a_connection_string_are_left_out(error: Exception, told: str) -> None:
    assert str(unreadable(error)) == told


async def test_settings_that_cannot_be_used(workplace: Workplace, tmp_path: Path) -> None:
    (tmp_path / "broken.pem").write_text("no certificate")
    view = await look(workplace, tls={"certificate_authority": "broken.pem"})
    assert len(view.failures) == 1


async def test_a_folder_is_looked_at(workplace: Workplace, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.csv").write_text("n\n1\n")
    files = Files("web", "files", folder)
    view = await look_at_source(files, ())
    assert (view.failures, view.role) == ([], None)
    assert view.catalog is not None
    assert [key.name for key in view.catalog.relations] == ["a"]
    gone = await look_at_source(replace(files, folder=tmp_path / "gone"), ())
    assert gone.failures
    assert gone.catalog is None
