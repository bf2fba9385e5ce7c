"""A worker process from the outside; how it serves is in test_server.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.child import Child
from proxy.upkeep import StartRefused
from proxy.worker_process import Instructions


def child(directory: Path) -> Child:
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
    return Child(told, drain_seconds_max=1)


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
