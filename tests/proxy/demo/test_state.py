"""The state directory: private, in the usual place, with a password that is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.demo.state import State, StateError, default_directory


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_STATE_HOME": "/var/state"}, Path("/var/state/sallyport/demo")),
        ({"XDG_STATE_HOME": "relative"}, Path.home() / ".local/state/sallyport/demo"),
        ({"XDG_STATE_HOME": ""}, Path.home() / ".local/state/sallyport/demo"),
        ({}, Path.home() / ".local/state/sallyport/demo"),
    ],
)
def test_where_it_is(environment: dict[str, str], expected: Path) -> None:
    assert default_directory(environment) == expected


def test_it_is_made_private_and_stays_so(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "state"
    directory.mkdir(parents=True, mode=0o755)
    State(directory).prepare()
    assert directory.stat().st_mode & 0o777 == 0o700


def test_the_password_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    state = State(tmp_path)
    first = state.password()
    assert State(tmp_path).password() == first
    assert len(first.reveal()) >= 32
    assert state.gate_password.stat().st_mode & 0o777 == 0o600
    assert first.reveal() not in repr(first) + repr(state)


def test_no_two_demonstrations_share_a_password(tmp_path: Path) -> None:
    passwords = []
    for name in ("one", "other"):
        state = State(tmp_path / name)
        state.prepare()
        passwords.append(state.password())
    assert passwords[0] != passwords[1]


def test_a_place_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match="cannot use"):
        State(tmp_path / "file" / "state").prepare()


def test_another_users_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    with pytest.raises(StateError, match="belongs to another user"):
        State(tmp_path).prepare()
