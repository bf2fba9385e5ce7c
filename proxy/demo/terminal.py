"""What a person at the terminal reads: progress while things start, then how to connect.

This file must not start, open or decide anything: it turns values into text.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from proxy.demo.principal import Principal

INDENT: Final = "  "
_STEP_COLUMNS: Final = 58


class Progress:
    """One line per step with the time it took, on `stream`; `clock` in seconds."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Say `title` at once, and how long it took when it is done."""
        with self.steps() as begin:
            begin(title)
            yield

    @contextmanager
    def steps(self) -> Iterator[Callable[[str], None]]:
        """Gives a function for work that tells only where each step begins."""
        started: list[float] = []

        def end(verdict: str = "") -> None:
            if started:
                self._stream.write(verdict or f" {self._clock() - started.pop():.1f} s\n")
                self._stream.flush()

        def begin(title: str) -> None:
            end()
            started.append(self._clock())
            self._stream.write(f"{INDENT}{title} ".ljust(_STEP_COLUMNS, "."))
            self._stream.flush()

        try:
            yield begin
        except BaseException:
            end(" failed\n")
            raise
        end()

    def say(self, text: str) -> None:
        """A line, or several, as they are."""
        self._stream.write(text + "\n")
        self._stream.flush()


@dataclass(frozen=True, slots=True)
class Entrance:
    """How to reach the gate: where it listens, the psql to use, the command that makes tokens."""

    host: str
    port: int
    database: str
    psql: Path
    token_command: Sequence[str]

    def line(self, principal: Principal) -> str:
        """A shell line that signs in as `principal`, ready to be pasted."""
        token = shlex.join([*self.token_command, "--as", principal.name])
        psql = shlex.join(
            [str(self.psql), "-h", self.host, "-p", str(self.port), "-U", principal.name]
        )
        return f'PGPASSWORD="$({token})" {psql} {shlex.quote(self.database)}'


def introduction(entrance: Entrance, principals: Sequence[Principal]) -> str:
    """The text that greets: a line to paste for each person, and what each should see."""
    parts = [
        "",
        f"Fairlead Instruments is open behind the gate on {entrance.host}:{entrance.port}.",
        "The same tables, seen by different people. Paste a line into another terminal:",
    ]
    for principal in principals:
        parts += [
            "",
            f"{principal.name}, {principal.title}",
            "",
            INDENT + entrance.line(principal),
            "",
            *(f"{INDENT}- {sentence}" for sentence in principal.sees),
            f"{INDENT}try: {principal.example};",
        ]
    return "\n".join(
        [*parts, "", "Ctrl-C ends the demonstration; its data stays for the next one.", ""]
    )
