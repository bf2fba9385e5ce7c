"""A worker process from the outside; how it serves is in test_server.py."""

from __future__ import annotations

from asyncio.subprocess import Process
from pathlib import Path

import pytest

from proxy.child import Child, launch
from proxy.upkeep import StartRefused
from proxy.worker_process import Instructions


def child(directory: Path, launched: Process | None = None) -> Child:
    file = directory / "sallyport.yaml"
    file.write_text("nonsense: 1\n")
    told = Instructions(
        configuration=str(file),
        is_demonstration=False,
        number=0,
        port=0,
        directory=str(directory),
        shadow_socket=str(directory / "s"),
        shadow_password_file=str(directory / "p"),
    )
    return Child(told, 1, launched)


async def test_a_refusal_is_raised_with_its_reason(tmp_path: Path) -> None:
    refused = child(tmp_path)
    with pytest.raises(StartRefused, match="nonsense"):
        await refused.start()
    assert refused.process_id > 0
    await refused.stop()


async def test_before_it_runs_it_answers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.child.REPORT_SECONDS_MAX", 0.05)
    silent = child(tmp_path)
    assert await silent.report() is None
    silent.tell("anything")
    await silent.stop()


async def test_one_that_was_launched_before_is_the_first_and_no_other(tmp_path: Path) -> None:
    launched = await launch()
    refused = child(tmp_path, launched)
    with pytest.raises(StartRefused, match="nonsense"):
        await refused.start()
    assert refused.process_id == launched.pid
    with pytest.raises(StartRefused, match="nonsense"):
        await refused.start()
    assert refused.process_id != launched.pid
    await refused.stop()
