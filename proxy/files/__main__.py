"""The reader's process: lock the door, then answer requests until the gate hangs up.

`python -m proxy.files`, with its instructions as the first request. Standard output is for frames
alone; it must not know what a query means.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from proxy.files import frames, lockdown
from proxy.files.engine import Bounds, Engine, Wish, trouble_of
from proxy.files.frames import FileTable, Trouble


def main() -> None:
    """Serve one gate."""
    requests, answers = sys.stdin.buffer, _answers()
    first = _request(requests)
    if first is None:
        return
    try:
        engine = _opened(first)
    except Exception as error:
        _give(answers, frames.json_frame(frames.FAULT, {"is": Trouble.BROKEN, "why": repr(error)}))
        return
    _give(answers, frames.frame(frames.READY, b""))
    while (asked := _request(requests)) is not None:
        try:
            _answer(engine, asked, answers)
        except BrokenPipeError:
            return
        except Exception as error:
            _give(answers, frames.json_frame(frames.FAULT, {"is": trouble_of(error)}))


def _answers() -> BinaryIO:
    """Standard output under a number of its own: whatever prints, prints to standard error."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return answers


def _opened(content: dict[str, Any]) -> Engine:
    root, scratch = Path(content["root"]), Path(content["scratch"])
    bounds = Bounds(int(content["memory"]), int(content["temporary"]), int(content["threads"]))
    engine = Engine(root, scratch, bounds)
    lockdown.limit_resources(bounds.memory_bytes_max)
    if sys.platform == "linux":
        lockdown.confine_files((root, *lockdown.libraries()), (scratch,))
        lockdown.refuse_system_calls()
    return engine


def _request(requests: BinaryIO) -> dict[str, Any] | None:
    head = requests.read(frames.LENGTH.size)
    if len(head) < frames.LENGTH.size:
        return None
    (length,) = frames.LENGTH.unpack(head)
    content: dict[str, Any] = json.loads(requests.read(length))
    return content


def _answer(engine: Engine, asked: dict[str, Any], answers: BinaryIO) -> None:
    if asked["do"] == "tables":
        tables = [table.as_json() for table in engine.tables()]
        _give(answers, frames.json_frame(frames.TABLES, tables))
        return
    wish = Wish(
        asked["sql"],
        {(one["schema"], one["table"]["name"]): FileTable.from_json(one["table"])
         for one in asked["tables"]},
        [(kind, content) for kind, content in asked["values"]],
    )  # fmt: skip
    total = 0
    for count, rows in engine.read(wish):
        total += count
        _give(answers, frames.frame(frames.ROWS, frames.COUNT.pack(count) + rows))
    _give(answers, frames.json_frame(frames.DONE, {"rows": total}))


def _give(answers: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[answers.write(view) or 0 :]


if __name__ == "__main__":
    main()
