"""A login for the terminal and for scripts: nothing secret, and the secret once."""

from __future__ import annotations

from datetime import datetime

from policies.secret import Secret
from proxy.commands.outcome import give, give_json, tell
from proxy.runtime.state.register import Listed


def as_json(login: Listed) -> dict[str, object]:
    """A login as JSON types."""
    return {
        "kind": login.kind.value,
        "name": login.name,
        "user": login.user,
        "subject": login.subject,
        "state": login.state,
        "sources": login.sources,
        "networks": login.networks,
        "purpose": login.purpose,
        "created_at": _moment(login.created_at),
        "created_by": login.created_by,
        "expires_at": _moment(login.expires_at),
        "last_used_at": _moment(login.last_used_at),
        "last_used_from": login.last_used_from,
        "secrets": login.secrets,
    }


def line(login: Listed) -> str:
    """A login on one line."""
    used = "never used"
    if login.last_used_at is not None:
        used = f"last used {_moment(login.last_used_at)} from {login.last_used_from or 'a socket'}"
    bounds = [f"sources {', '.join(login.sources)}"] if login.sources is not None else []
    bounds += [f"networks {', '.join(login.networks)}"] if login.networks is not None else []
    parts = [login.user, f"of {login.subject}", login.state, f"until {_moment(login.expires_at)}"]
    return "  ".join([*parts, used, *bounds, login.purpose]).rstrip()


def show_once(login: Listed, secret: Secret[str], *, is_json: bool) -> None:
    """A login that was just made, with its secret: the only time that anybody sees it."""
    if is_json:
        give_json({**as_json(login), "secret": secret.reveal()})
        return
    tell(line(login))
    tell(f"user {login.user} (SCRAM), or any other name (in clear, TLS); the password, shown once:")
    give(secret.reveal())


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
