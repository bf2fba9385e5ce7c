"""The collector of traces, asked for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.commands.doctor_telemetry import collector
from proxy.runtime.config import Telemetry, TelemetryHeader
from tests.collector import collecting


async def test_without_a_section_there_is_nothing_to_say() -> None:
    assert await collector(None) == []


@pytest.mark.parametrize(
    ("answer", "level", "told"),
    [(200, "ok", "takes traces"), (401, "warning", "status 401"), (503, "warning", "unreachable")],
)
async def test_what_it_answers(answer: int, level: str, told: str) -> None:
    async with collecting() as receiver:
        receiver.answers.append(answer)
        [found] = await collector(Telemetry(receiver.url))
        assert (found.level, told in found.text) == (level, True), found
        assert len(receiver.bodies) == 1
        assert receiver.spans == []


async def test_nobody_is_there_or_a_key_is_missing(tmp_path: Path) -> None:
    async with collecting() as receiver:
        header = TelemetryHeader("X-Key", file=tmp_path / "key")
        [found] = await collector(Telemetry(receiver.url, headers=(header,)))
        assert (found.level, "header" in found.text) == ("warning", True)
        assert receiver.bodies == []
        url = receiver.url
    [found] = await collector(Telemetry(url))
    assert found.level == "warning"
    assert url not in str(found)
