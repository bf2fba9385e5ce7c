# ruff: noqa: RUF009 - `setting` returns a `dataclasses.field`, which ruff knows by that name only.
"""The settings of a source of files. This file must not know YAML, nor how files are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from proxy.runtime.config_setting import setting


@dataclass(frozen=True, slots=True)
class Readers:
    """Processes that read files, per worker process; each has one statement at a time."""

    count_max: int = setting("running readers", default=4, minimum=1, maximum=256)
    waiting_max: int = setting(
        "statements that may wait for one", default=256, minimum=0, maximum=100_000
    )
    waiting_ms_max: int = setting(
        "longest wait for one", default=10_000, minimum=1, maximum=600_000
    )
    idle_seconds_max: float = setting(
        "age at which an unused one is ended", default=300.0, minimum=1, maximum=86_400
    )
    memory_bytes_max: int = setting(
        "memory of one for data", default=512 << 20, minimum=64 << 20, maximum=1 << 40
    )
    spill_bytes_max: int = setting(
        "temporary files of one", default=8 << 30, minimum=1 << 20, maximum=1 << 40
    )
    threads: int = setting("threads of one", default=2, minimum=1, maximum=256)


@dataclass(frozen=True, slots=True)
class Files:
    """A folder of files that statements may read as tables."""

    name: str = setting("how policies name it", minimum=1, maximum=63)
    kind: Literal["files"] = setting("what it is")
    folder: Path = setting(
        "the folder: a file in it is a table of its name, a folder in it a table of all its files"
    )
    schema: str | None = setting(
        "schema that its tables stand in; default: its name", default=None, minimum=1, maximum=63
    )
    readers: Readers = setting("the processes that read it", default=Readers())
    statement_ms_max: int = setting(
        "longest silence of one while it reads", default=60_000, minimum=1, maximum=86_400_000
    )
