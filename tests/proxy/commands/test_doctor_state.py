"""The state database asked for real."""

from __future__ import annotations

from pathlib import Path

from proxy.commands.doctor_state import state_database
from proxy.commands.finding import Finding
from proxy.runtime.config import State, load
from proxy.runtime.state.database import prepare
from proxy.runtime.state.place import StatePlace
from tests.proxy.commands.conftest import Workplace


async def only(state: State | None) -> Finding:
    (finding,) = await state_database(state)
    return finding


async def test_from_empty_to_up_to_date_to_foreign(kept: Workplace) -> None:
    state = load(kept.configuration).state
    assert state is not None
    empty = await only(state)
    assert (empty.level, "empty" in empty.text) == ("ok", True)
    place = StatePlace.configured(state)
    await prepare(place)
    ready = await only(state)
    assert (ready.level, ready.text) == ("ok", "reachable and up to date")
    connection = await place.connect()
    await connection.execute("UPDATE sallyport.migration SET digest = 'another'")
    await connection.close()
    foreign = await only(state)
    assert (foreign.level, "not those of this program" in foreign.text) == ("problem", True)
    # Looking changes nothing.
    assert await only(state) == foreign


async def test_one_that_is_away() -> None:
    found = await only(State(dsn="postgresql://nobody@127.0.0.1:1/none"))
    assert (found.level, "cannot be reached" in found.text) == ("problem", True)
    assert "JWTs go on" in found.advice


async def test_embedded_and_not_running(tmp_path: Path) -> None:
    found = await only(State(directory=tmp_path / "state"))
    assert found.level == "ok"
    assert not (tmp_path / "state").exists()


async def test_without_a_section() -> None:
    assert await state_database(None) == []
