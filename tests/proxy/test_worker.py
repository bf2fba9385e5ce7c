"""One worker: what keeps it from starting, and that everything it opened is closed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from policies.load import load as load_policy
from proxy.catalog.virtual import CatalogError
from proxy.runtime import tasks
from proxy.runtime.config import load
from proxy.sources.postgres_options import Address, PostgresOptions
from proxy.upkeep import StartRefused
from proxy.worker import Post, SchemaReader, opened
from tests.live.gate import Files, prepared
from tests.proxy.sources.fake_server import Peer, fake_server


class NoCluster:
    """A shadow cluster that is never asked: the worker must refuse before."""

    socket_path = Path("/nonexistent")

    async def connect(self, database: str = "postgres") -> object:
        raise AssertionError("asked")


def post(files: Files) -> Post:
    return Post(0, NoCluster(), files.directory / "post")


async def test_a_refused_worker_leaves_nothing_running() -> None:
    async with prepared() as files:
        (files.directory / "policy.yaml").write_text("version: 1\n")
        before = tasks.running()
        with pytest.raises(StartRefused, match="policy"):
            async with opened(load(files.configuration), post(files), load_policy):
                raise AssertionError("it started")
        for _ in range(20):
            if tasks.running() <= before:
                break
            await asyncio.sleep(0.05)

        assert tasks.running() <= before
        assert list((files.directory / "post").iterdir()) == []


@pytest.mark.parametrize("version", ["13.4", "19.1"])
async def test_a_source_of_another_version_is_a_refusal(version: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet({"server_version": version})
        await peer.closed()

    async with prepared() as files, fake_server(script) as address:
        text = yaml.safe_load(files.configuration.read_text())
        (source,) = text["sources"]
        source["hosts"] = [f"{address.host}:{address.port}"]
        source.pop("password", None)
        source["tls"] = {"mode": "disable"}
        files.configuration.write_text(yaml.safe_dump(text))
        with pytest.raises(StartRefused, match=r"source .*: the server is (older|newer) than"):
            async with opened(load(files.configuration), post(files), load_policy):
                raise AssertionError("it started")


async def test_an_audit_log_that_cannot_be_written_is_a_refusal() -> None:
    async with prepared() as files:
        (files.directory / "audit").write_text("a file where a folder should be")
        with pytest.raises(Exception, match="audit") as caught:
            async with opened(load(files.configuration), post(files), load_policy):
                raise AssertionError("it started")

        assert not isinstance(caught.value, AssertionError)


async def test_a_schema_that_cannot_be_read_names_the_source_only(tmp_path: Path) -> None:
    options = PostgresOptions(
        name="main", addresses=(Address(str(tmp_path)),), database="d", user="secret-user"
    )
    with pytest.raises((CatalogError, OSError)) as caught:
        await SchemaReader("main", options)()

    assert "secret-user" not in str(caught.value)
