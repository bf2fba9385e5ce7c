"""Where the state database is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from proxy.runtime.config_model import State, StatePassword
from proxy.runtime.state.place import StateError, StatePlace


def test_it_travels_as_json_without_a_secret(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("very secret\n")
    place = StatePlace.configured(
        State(dsn="postgresql://a@b/c", password=StatePassword(file=tmp_path / "password"))
    )
    text = json.dumps(asdict(place))
    assert "very secret" not in text + repr(place)
    assert StatePlace(**json.loads(text)) == place
    assert place.password() == "very secret"


def test_passwords_of_other_places() -> None:
    assert StatePlace("postgresql:///x").password({}) is None
    variable = StatePlace("postgresql:///x", password_environment="P")
    assert variable.password({"P": "p"}) == "p"
    with pytest.raises(StateError, match="password cannot be read"):
        variable.password({})
    with pytest.raises(StateError, match="password cannot be read"):
        StatePlace("postgresql:///x", "/no/such/file").password()


async def test_an_error_quotes_no_connection_string(place: StatePlace, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("a wrong secret")
    wrong = StatePlace(place.dsn, str(tmp_path / "wrong"))
    with pytest.raises(StateError) as caught:
        await wrong.connect()
    assert "password authentication failed" in str(caught.value)
    assert "a wrong secret" not in str(caught.value)
