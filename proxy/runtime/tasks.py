"""Background tasks that are neither garbage-collected half-way nor allowed to die in silence.

This file must not know what a task does. asyncio keeps only weak references to tasks (Python
documentation, `asyncio.create_task`), so each one is held here until it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

_Result = TypeVar("_Result")
_running: set[asyncio.Task[Any]] = set()
_logger = structlog.get_logger("tasks")


def spawn(work: Coroutine[Any, Any, _Result], name: str) -> asyncio.Task[_Result]:
    """Run `work` beside the caller, on the running loop. Returns the task.

    An exception that it ends with is logged once with its traceback, under `name`, unless it was
    cancelled; awaiting the task still raises it.
    """
    task = asyncio.get_running_loop().create_task(work, name=name)
    _running.add(task)
    task.add_done_callback(_ended)
    return task


def running() -> frozenset[str]:
    """The names of the tasks that have not ended."""
    return frozenset(task.get_name() for task in _running)


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        _logger.error("task crashed", task=task.get_name(), exc_info=error)
