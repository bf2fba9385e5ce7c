"""Goal: an embedded cluster is ours alone, survives its owner's crash, leaves nothing behind.

Method: real clusters of both majors in temporary folders; the owner's crash is a killed process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.runtime import embedded, installation
from proxy.runtime.embedded import Cluster, ClusterError
from proxy.runtime.postmaster import is_postmaster

pytestmark = pytest.mark.usefixtures("genuine_initdb")


@pytest.fixture(params=[16, 18])
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    made = Cluster(tmp_path / "cluster", major=request.param, durable=False)
    await made.start()
    yield made
    await made.stop()


async def test_starts_answers_and_keeps_its_data_over_a_restart(cluster: Cluster) -> None:
    connection = await cluster.connect()
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    assert connection.get_server_version().major == cluster.installation.major
    assert await connection.fetchval("SHOW fsync") == "off"
    assert await connection.fetchval("SHOW listen_addresses") == ""
    await connection.close()
    folder = cluster.socket_directory
    await cluster.stop()

    assert not cluster.is_running
    assert not folder.exists()
    await cluster.start()
    connection = await cluster.connect()
    assert await connection.fetchval("SELECT n FROM kept") == 7
    await connection.close()


@pytest.mark.parametrize("durable", [False, True])
async def test_a_killed_one_is_revived_in_its_place(tmp_path: Path, durable: bool) -> None:
    async with Cluster(tmp_path / "c", durable=durable) as cluster:
        connection = await cluster.connect()
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        place, victim = cluster.socket_path, cluster.process_id
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        await cluster.wait()
        assert not cluster.is_running
        await cluster.revive()

        assert cluster.socket_path == place
        connection = await cluster.connect()
        # What was never synced cannot be trusted, and is made anew.
        kept = await connection.fetchval("SELECT to_regclass('kept')::text")
        assert kept == ("kept" if durable else None)
        await connection.close()


async def test_only_what_was_started_is_revived(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "c", durable=False)
    with pytest.raises(ClusterError, match="not started"):
        await cluster.revive()


async def test_socket_and_password_are_private(tmp_path: Path) -> None:
    async with Cluster(tmp_path / "c", durable=False) as cluster:
        assert stat.S_IMODE(cluster.socket_directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((cluster.directory / "password").stat().st_mode) == 0o600
        assert len(os.fsencode(cluster.socket_path)) <= embedded.SOCKET_PATH_BYTES_MAX
        assert cluster.read_password() not in repr(cluster) + repr(vars(cluster))
        psql = cluster.pg_bin("psql")
        arguments = ["-h", str(cluster.socket_directory), "-U", "postgres", "-w", "-c", "select 1"]
        process = await asyncio.create_subprocess_exec(
            psql, *arguments, stderr=asyncio.subprocess.PIPE, env={}
        )
        _, told = await process.communicate()
        assert process.returncode != 0
        assert "password" in told.decode()


async def test_durable_cluster_syncs_listens_on_loopback_and_is_not_destroyed(
    tmp_path: Path,
) -> None:
    async with Cluster(tmp_path / "c", major=18, durable=True, tcp_port=0) as cluster:
        connection = await cluster.connect()
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await connection.fetchval(f"SHOW {name}") == "on"
        await connection.close()
        assert cluster.port > 0
        _, writer = await asyncio.open_connection("127.0.0.1", cluster.port)
        writer.close()
        await writer.wait_closed()
        with pytest.raises(ClusterError, match="durable"):
            await cluster.destroy()


async def test_second_owner_is_refused_while_the_first_lives(cluster: Cluster) -> None:
    other = Cluster(cluster.directory, major=cluster.installation.major, durable=False)
    with pytest.raises(ClusterError, match="another process runs"):
        await other.start()
    assert cluster.is_running


async def test_wrong_major_is_refused_with_both_versions(tmp_path: Path) -> None:
    async with Cluster(tmp_path / "c", major=16, durable=True):
        pass
    with pytest.raises(ClusterError, match="made by Postgres 16, not 18"):
        await Cluster(tmp_path / "c", major=18, durable=True).start()


async def test_disposable_cluster_of_another_major_is_made_anew(tmp_path: Path) -> None:
    for major in (16, 18):
        async with Cluster(tmp_path / "c", major=major, durable=False) as cluster:
            connection = await cluster.connect()
            assert connection.get_server_version().major == major
            assert await connection.fetchval("SELECT to_regclass('public.mine')") is None
            await connection.execute("CREATE TABLE public.mine (a int)")
            await connection.close()


async def test_bad_setting_gives_the_log_tail(tmp_path: Path) -> None:
    broken = Cluster(tmp_path / "c", durable=False, settings={"shared_buffers": "many"})
    with pytest.raises(ClusterError, match="shared_buffers"):
        await broken.start()
    assert not broken.is_running


OWNER = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from proxy.runtime import embedded

    async def main():
        if sys.argv[2] == "unleashed":
            embedded._has_setpriv = lambda: False
        cluster = embedded.Cluster(Path(sys.argv[1]), durable=False)
        await cluster.start()
        print(cluster.process_id, cluster.socket_directory, flush=True)
        await asyncio.sleep(600)

    asyncio.run(main())
""")


@pytest.mark.parametrize("leash", ["leashed", "unleashed"])
async def test_crashed_owner_is_cleaned_up_after(tmp_path: Path, leash: str) -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(tmp_path / "c"), leash, stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    line = (await owner.stdout.readline()).decode().split()
    old_process, old_folder = int(line[0]), Path(line[1])
    owner.send_signal(signal.SIGKILL)
    await owner.wait()

    async with Cluster(tmp_path / "c", durable=False) as cluster:
        connection = await cluster.connect()
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        assert cluster.process_id != old_process
        assert not is_postmaster(old_process, cluster.directory / "data")
        assert old_folder.name not in os.listdir(old_folder.parent)


async def test_stale_pid_file_of_a_reused_pid_is_forgotten(tmp_path: Path) -> None:
    async with Cluster(tmp_path / "c", durable=False):
        pass
    (tmp_path / "c" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    async with Cluster(tmp_path / "c", durable=False) as cluster:
        assert cluster.is_running


if os.geteuid() == 0:  # an ordinary user runs Postgres as itself, and has no other account

    async def test_root_without_namespaces_uses_another_account(
        tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        genuine = installation._why_not

        def shut(prefix: tuple[str, ...], found: installation.Installation) -> str | None:
            return "Operation not permitted" if prefix[0] == "unshare" else genuine(prefix, found)

        monkeypatch.setattr(installation, "_why_not", shut)
        installation._demotion.cache_clear()
        folder = Path("/var/tmp") / f"sallyport-test-{os.getpid()}"  # the account must reach it
        cluster = Cluster(folder, durable=False)
        try:
            await cluster.start()
            assert (folder / "data").stat().st_uid != 0
        finally:
            await cluster.destroy()
            installation._demotion.cache_clear()
