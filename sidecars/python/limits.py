"""Every limit of a run and of the service, with its unit and the reason for its value.

A caller may ask for less or more of `RunLimits`, up to what the operator allows. This file must not
know HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What one run may take. The defaults are for a caller who says nothing."""

    wall_seconds: float = 60.0
    """From its start to its answer, waiting for data included."""

    cpu_seconds: float = 30.0
    """Of the processor, in the sandbox."""

    memory_bytes: int = 512 * 1024 * 1024
    """Of linear memory; the frozen start takes 70 MB of it, 256 MB is the least that is of use."""

    output_bytes: int = 1024 * 1024
    """Of standard output and error together; more ends the run."""

    files_bytes: int = 64 * 1024 * 1024
    """Of all files in its folder together; one file may have as much."""

    files: int = 200
    """Files and folders in its folder."""

    host_calls: int = 100
    """Calls of `query` and the like."""

    query_rows: int = 1_000_000
    query_bytes: int = 256 * 1024 * 1024
    """Of one result, as it lies in the sandbox; more is refused, not cut."""


MINIMUM = RunLimits(0.1, 0.1, 128 * 1024 * 1024, 0, 0, 0, 0, 1, 1)
"""The least that can be asked for."""

CODE_BYTES_MAX = 1024 * 1024
"""Of one program's text."""

REQUEST_BYTES_MAX = 96 * 1024 * 1024
"""Of one HTTP request: the files of a run, in base64, and its text."""

FILE_NAME_BYTES_MAX = 255
FILE_DEPTH_MAX = 8
"""Folders above a file that is sent or written."""

EVENTS_MAX = 10_000
"""Of one run; adjoining text is joined, so that few are needed."""

RUNS_KEPT = 200
RUN_KEPT_SECONDS = 600.0
"""How many finished runs of one principal can still be asked for, and for how long."""

FILES_KEPT_BYTES = 128 * 1024 * 1024
"""Of one principal's finished runs together; those of the older ones go first."""

GRACE_SECONDS = 1.0
"""After the wall time, for a guest to end by itself before its process is killed."""

START_SECONDS_MAX = 60.0
"""For a worker process to be ready; a busy machine reads 150 MB from its disk."""

FOLDER_CHECK_SECONDS = 0.1
"""How often the size of a run's folder is looked at."""

QUEUE_SECONDS_MAX = 30.0
"""How long a run waits for a worker before it is refused."""


class LimitError(ValueError):
    """A limit that was asked for cannot be had; the message names it and its bounds."""


def asked_for(wanted: Mapping[str, object], most: RunLimits) -> RunLimits:
    """The limits of one run: defaults, no more than `most`, as far as `wanted` says otherwise.

    Raises LimitError.
    """
    known = {field.name for field in fields(RunLimits)}
    unknown = sorted(wanted.keys() - known)
    if unknown:
        raise LimitError(
            f"limits.{unknown[0]} is not a limit; there are: {', '.join(sorted(known))}"
        )
    defaults = RunLimits()
    found: dict[str, float] = {}
    for name in known:
        highest, lowest = getattr(most, name), getattr(MINIMUM, name)
        value = wanted.get(name, min(getattr(defaults, name), highest))
        is_whole = isinstance(highest, int)
        is_number = isinstance(value, int if is_whole else int | float)
        if isinstance(value, bool) or not is_number or not lowest <= value <= highest:
            what = "whole number" if is_whole else "number"
            raise LimitError(f"limits.{name} must be a {what} from {lowest} to {highest}")
        found[name] = value  # type: ignore[assignment]
    return RunLimits(**found)  # type: ignore[arg-type]
