"""Where a password or a token comes from: a file, an environment variable, a command; read anew at
each connect.

It must not know what the password opens. INVARIANT I8: a password leaves this file only inside a
`Secret`, and no error text here quotes any of it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from policies.secret import Secret

# Cloud database tokens are 1 to 3 kB; PostgreSQL's own limit for a password packet is 65,535 bytes.
PASSWORD_BYTES_MAX = 16_384
# A token command calls its cloud's metadata service: seconds, not minutes.
COMMAND_SECONDS_MAX = 15.0


class CredentialError(Exception):
    """The password could not be had. The text names the way, never the content."""


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Exactly one of three ways to a password.

    `file`: its content without the final line break. `environment`: the variable's value.
    `command`: the standard output, without the final line break, of a program run without a shell.
    """

    file: Path | None = None
    environment: str | None = None
    command: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        ways = [way for way in (self.file, self.environment, self.command) if way]
        if len(ways) != 1:
            raise ValueError("give exactly one of file, environment, command")

    async def read(self, environment: Mapping[str, str] = os.environ) -> Secret[str]:
        """Read the password now. Raises CredentialError."""
        if self.file is not None:
            raw = await asyncio.to_thread(_read_file, self.file)
        elif self.environment is not None:
            text = environment.get(self.environment)
            if text is None:
                raise CredentialError(f"environment variable {self.environment} is not set")
            raw = text.encode("utf-8", "surrogateescape")
        else:
            assert self.command is not None
            raw = await _run(self.command)
        return _checked(raw)


def _checked(raw: bytes) -> Secret[str]:
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    if not raw:
        raise CredentialError("the password is empty")
    if len(raw) > PASSWORD_BYTES_MAX:
        raise CredentialError(f"the password is longer than {PASSWORD_BYTES_MAX} bytes")
    if b"\0" in raw:
        raise CredentialError("the password contains a zero byte")
    try:
        return Secret(raw.decode())
    except UnicodeDecodeError:
        # `from None`: the exception's own text shows the bytes.
        raise CredentialError("the password is not UTF-8") from None


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # Two more for a final line break, one to notice that there is more.
            return file.read(PASSWORD_BYTES_MAX + 3)
    except OSError as error:
        raise CredentialError(f"cannot read the password file: {error.strerror}") from None


async def _run(command: tuple[str, ...]) -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            # A program's complaints may quote what it was given; they go nowhere.
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise CredentialError(f"cannot run password_command: {error.strerror}") from None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(COMMAND_SECONDS_MAX):
            # Bounded read: a command that prints without end is stopped below.
            raw = b""
            while len(raw) <= PASSWORD_BYTES_MAX + 2:
                piece = await process.stdout.read(PASSWORD_BYTES_MAX + 3 - len(raw))
                if not piece:
                    break
                raw += piece
            else:
                raise CredentialError(f"password_command printed over {PASSWORD_BYTES_MAX} bytes")
            code = await process.wait()
    except TimeoutError:
        raise CredentialError(
            f"password_command took longer than {COMMAND_SECONDS_MAX:g} s"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise CredentialError(f"password_command ended with exit code {code}")
    return raw
