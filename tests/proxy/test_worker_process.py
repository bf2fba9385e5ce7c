"""The process around a worker: instructions as JSON, an answer in one line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from proxy.worker_process import EXIT_REFUSED, REFUSED, AttachedCluster, Instructions, run


def instructions(directory: Path, text: str) -> Instructions:
    (directory / "sallyport.yaml").write_text(text)
    return Instructions(
        configuration=str(directory / "sallyport.yaml"),
        is_demonstration=False,
        number=1,
        port=0,
        directory=str(directory),
        shadow_socket=str(directory / ".s.PGSQL.5432"),
        shadow_password_file=str(directory / "password"),
    )


def test_instructions_travel_as_json(tmp_path: Path) -> None:
    sent = instructions(tmp_path, "")

    assert Instructions(**json.loads(json.dumps(sent.as_json()))) == sent


async def test_a_refusal_is_one_line_with_every_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await run(instructions(tmp_path, "nonsense: 1\n"), asyncio.StreamReader())
    (line,) = capsys.readouterr().out.splitlines()
    word, _, reason = line.partition(" ")

    assert (code, word) == (EXIT_REFUSED, REFUSED)
    assert "nonsense" in json.loads(reason)


async def test_the_parents_cluster_is_met_at_its_socket(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hush")
    cluster = AttachedCluster(tmp_path / ".s.PGSQL.5432", tmp_path / "password")
    assert "hush" not in repr(cluster)
    with pytest.raises(OSError):
        await cluster.connect()
