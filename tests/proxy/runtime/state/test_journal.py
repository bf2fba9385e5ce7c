"""Policy loads while the state database is away."""

from __future__ import annotations

from pathlib import Path

from proxy.runtime.state import history
from proxy.runtime.state.database import opened, prepare
from proxy.runtime.state.journal import PolicyJournal
from proxy.runtime.state.place import StatePlace
from tests.servers import postgres


async def test_what_waits_is_written_in_order(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("one")
    (tmp_path / "password").write_text(postgres.PASSWORD)
    with postgres.running(16) as server:
        dsn = f"postgresql://{server.user}@{server.host}:{server.port}/postgres?sslmode=disable"
        place = StatePlace(dsn, str(tmp_path / "password"))
        await prepare(place)
        async with opened(place) as state:
            journal = PolicyJournal(state, [tmp_path])
            server.stop()
            await journal.note(version_before="", version_after="v1", is_accepted=True)
            (tmp_path / "policy.yaml").write_text("two")
            await journal.note(version_before="v1", version_after="v2", is_accepted=True)
            server.start()
            await journal.flush()
            await journal.flush()
            connection = await place.connect()
            rows = await history.history(connection, 10)
            await connection.close()
    assert [row.version_after for row in rows] == ["v2", "v1"]
    # As the files were then, not as they are now.
    assert rows[0].digest != rows[1].digest
