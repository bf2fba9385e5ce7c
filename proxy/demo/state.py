"""Where the demonstration keeps what outlives it: keys, the account's password, the data.

This file must not know what is done with any of it. The folder belongs to its user alone (0700);
deleting it while nothing runs gives a fresh demonstration.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from policies.secret import Secret

PASSWORD_BYTES: Final = 24


class StateError(Exception):
    """The state directory cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class State:
    """The files of one demonstration, by their purpose."""

    directory: Path

    @property
    def cluster(self) -> Path:
        """The durable embedded Postgres with the sample company."""
        return self.directory / "cluster"

    @property
    def shadow(self) -> Path:
        """The disposable Postgres that answers catalog questions; never the one with the data."""
        return self.directory / "shadow"

    @property
    def access(self) -> Path:
        """The durable Postgres of access tokens and policy history, which no client's SQL meets."""
        return self.directory / "access"

    @property
    def files(self) -> Path:
        """The sample company's files."""
        return self.directory / "files"

    @property
    def audit(self) -> Path:
        """The audit log."""
        return self.directory / "audit"

    @property
    def configuration(self) -> Path:
        """The gate's configuration, written anew at each start."""
        return self.directory / "sallyport.yaml"

    @property
    def gate_password(self) -> Path:
        """The password of the gate's database account."""
        return self.directory / "gate-password"

    def prepare(self) -> None:
        """Make the folder, private. Raises StateError when it cannot be had or is another's."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = self.directory.stat()
            if found.st_uid != os.geteuid():
                raise StateError(
                    f"{self.directory} belongs to another user; choose another --state"
                )
            self.directory.chmod(0o700)
        except OSError as error:
            raise StateError(f"cannot use {self.directory}: {error.strerror}") from error

    def password(self) -> Secret[str]:
        """The gate account's password; made, 0600, the first time. Raises OSError."""
        path = self.gate_password
        if not path.exists():
            draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(PASSWORD_BYTES))
            draft.replace(path)
        return Secret(path.read_text())


def default_directory(environment: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/sallyport/demo`, by default under `~/.local/state` (XDG Base Directory)."""
    base = environment.get("XDG_STATE_HOME", "")
    # The specification: a relative path is invalid and should be ignored.
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "sallyport" / "demo"
