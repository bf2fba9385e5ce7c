"""Runs one client's program against one end, and compares two transcripts step by step."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.clients.pair import End

RUN_SECONDS_MAX = 55.0
SHOWN_CHARACTERS_MAX = 1500
LAST_STEP = "end"


class ClientFailed(RuntimeError):
    """A program did not reach its last step; the message holds what it wrote."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a client told of each step: JSON or plain text, prefixed by `error` where it raised.

    `remarks` is what it wrote to standard error; nothing is compared there.
    """

    steps: Mapping[str, str]
    remarks: str = ""

    @property
    def errors(self) -> list[str]:
        """Steps that ended in an error of the client's own."""
        return [name for name, said in self.steps.items() if said.startswith("error ")]


async def take(command: Sequence[str], end: End, *, is_text: bool = False) -> Transcript:
    """Run a program to its end. `is_text`: what it writes to standard error belongs to its steps.

    Raises `ClientFailed`.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        env=end.environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT if is_text else asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(RUN_SECONDS_MAX):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
        raise ClientFailed(f"no end at {end.name}:\n{_tail(out, err)}") from None
    err = err or b""
    steps = read(out.decode(errors="replace"))
    if LAST_STEP not in steps:
        raise ClientFailed(f"stopped early at {end.name}:\n{_tail(out, err)}")
    return Transcript(steps, err.decode(errors="replace"))


def _tail(out: bytes, err: bytes | None) -> str:
    return "\n".join(
        (part or b"").decode(errors="replace")[-SHOWN_CHARACTERS_MAX:] for part in (out, err)
    )


def read(text: str) -> dict[str, str]:
    """Steps of a program's output: lines of JSON, or plain text under lines `== step`."""
    steps: dict[str, str] = {}
    current = ""
    for line in text.splitlines():
        if line.startswith("== "):
            current = line.removeprefix("== ")
            steps[current] = ""
        elif line.startswith('{"'):
            told = json.loads(line)
            said = (
                "error " + json.dumps(told["error"])
                if "error" in told
                else json.dumps(told["said"])
            )
            steps[told["step"]] = normalised(said)
        elif current:
            steps[current] += normalised(line) + "\n"
    return steps


_SAME = (
    # A refusal names the gate or the table, by whether it comes from the one or the other.
    (re.compile(r"(ERROR:  permission denied)\b.*"), r"\1"),
    (re.compile(r"(ERROR:  .*is not allowed)\b.*"), "ERROR:  permission denied"),
    # psql's messages carry the file and line that it read, and its own measure of time.
    (re.compile(r"^psql:[^ ]+:\d+: "), "psql: "),
    (re.compile(r"\bTime: [\d.]+ ms(?: \([\d:.]+\))?"), "Time: … ms"),
    # \watch heads each answer with the clock.
    (re.compile(r"^\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4} \(every [\d.]+s\)"), "(every … s)"),
)


def normalised(line: str) -> str:
    """A line without what no two runs have in common."""
    for pattern, same in _SAME:
        line = pattern.sub(same, line)
    return line


def differences(direct: Transcript, gate: Transcript) -> dict[str, tuple[str, str]]:
    """Steps whose outcome is not the same, with both outcomes; "" for a step that is missing."""
    names = dict.fromkeys([*direct.steps, *gate.steps])
    found = {name: (direct.steps.get(name, ""), gate.steps.get(name, "")) for name in names}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}
