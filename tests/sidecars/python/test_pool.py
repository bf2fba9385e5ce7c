"""Workers: killed when they must be, replaced, and never met again by the next program."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sidecars.python.pool import Pool, Program, Refused, Worker, folder_size
from tests.sidecars.python.conftest import SHORT, no_calls, run


async def test_an_instance_is_fresh_for_every_program(pool: Pool) -> None:
    await run(pool, "import json, sys\nx = 1\njson.dumps = None\nsys.path.clear()\nopen('a', 'w')")
    code = "import json, os, sys\n['x' in globals(), json.dumps is None, len(sys.path), os.listdir('.')]"
    assert json.loads((await run(pool, code)).result.value)["value"] == [False, False, 2, []]


async def test_randomness_differs_unless_a_seed_is_given(pool: Pool) -> None:
    code = (
        "import random, secrets, uuid\n[random.random(), secrets.token_hex(8), str(uuid.uuid4())]"
    )
    one, two = [json.loads((await run(pool, code)).result.value)["value"] for _ in range(2)]
    assert all(a != b for a, b in zip(one, two, strict=True))
    code = "import random\nrandom.random()"
    assert len({(await run(pool, code, seed=5)).result.value for _ in range(2)}) == 1


async def test_names_are_kept_where_that_is_asked_for(worker: Worker) -> None:
    first = Program("x = 1", "{}", SHORT, keep=True)
    await worker.run(first, lambda *_: None, no_calls)
    second = await worker.run(replace(first, code="x + 1"), lambda *_: None, no_calls)
    assert json.loads(second.value)["value"] == 2


async def test_a_killed_worker_ends_its_own_run_only(pool: Pool, worker: Worker) -> None:
    program = Program("while True: pass", "{}", SHORT)
    running = asyncio.ensure_future(worker.run(program, lambda *_: None, no_calls))
    neighbour = asyncio.ensure_future(run(pool, "sum(range(10 ** 6))"))
    await asyncio.sleep(0.2)
    os.kill(worker.process_id, signal.SIGKILL)
    assert (await running).error == "Killed"
    assert (await neighbour).result.error == ""


async def test_a_worker_that_sleeps_in_the_host_is_given_up(worker: Worker) -> None:
    limits = replace(SHORT, wall_seconds=0.5)
    program = Program("import time; time.sleep(60)", "{}", limits)
    ended = await worker.run(program, lambda *_: None, no_calls)
    assert (ended.error, ended.is_usable) == ("LimitReached", False)
    assert "wall_seconds" in ended.traceback


async def test_output_before_the_end_is_not_lost(worker: Worker) -> None:
    texts: list[str] = []
    limits = replace(SHORT, wall_seconds=1.0)
    program = Program("print('begun')\nwhile True: pass", "{}", limits)
    await worker.run(program, lambda _, text: texts.append(text), no_calls)
    assert "".join(texts) == "begun\n"


async def test_calls_are_answered_or_refused(worker: Worker) -> None:
    async def answer(name: str, arguments: Mapping[str, Any], exchange: Path) -> str:
        if arguments["sql"] == "bad":
            raise Refused("not this: try another")
        raise AssertionError(name)

    code = "try: query('bad')\nexcept CallRefused as error: print(error)"
    texts: list[str] = []
    program = Program(code, "{}", SHORT)
    ended = await worker.run(program, lambda _, text: texts.append(text), answer)
    assert (ended.error, "".join(texts)) == ("", "not this: try another\n")


async def test_processor_time_is_a_limit_of_its_own(worker: Worker) -> None:
    program = Program("while True: pass", "{}", replace(SHORT, cpu_seconds=0.3))
    ended = await worker.run(program, lambda *_: None, no_calls)
    assert "cpu_seconds" in ended.traceback


async def test_a_worker_has_no_environment_and_walls_around_it(pool: Pool, worker: Worker) -> None:
    place = Path(f"/proc/{worker.process_id}/environ")
    environment = await asyncio.to_thread(place.read_bytes)
    assert environment.split(b"\0")[0].startswith(b"PYTHONPATH=")
    assert environment.count(b"\0") == 1
    assert "resource limits" in worker.walls
    assert pool.walls == worker.walls


def test_a_folder_is_measured_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b").write_bytes(bytes(100))
    (tmp_path / "loop").symlink_to(tmp_path)
    count, size = folder_size(tmp_path, 100)
    assert count == 3
    assert 100 <= size < 1_000
    assert folder_size(tmp_path, 1)[0] > 1
    assert folder_size(tmp_path / "absent", 1) == (0, 0)
