"""`sallyport audit tail`: the last records of all processes, and those still to come."""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from proxy.commands.looking import audit_directory
from proxy.commands.outcome import EXIT_OK, EXIT_PROBLEMS, CommandError, give, give_json, tell
from proxy.commands.record_line import line_of_record
from proxy.runtime.audit import Record, follow, records

FOLLOW_SECONDS: Final = 0.25
"""Between two looks at a quiet log."""

RECORDS_MAX: Final = 100_000
"""All are held until the oldest is known; some 2 kB each."""


def run(arguments: argparse.Namespace) -> int:
    """Print the last records; with `--follow` until interrupted."""
    if not 0 <= arguments.number <= RECORDS_MAX:
        raise CommandError(f"--number is between 0 and {RECORDS_MAX}")
    tail = _Tail(audit_directory(arguments), arguments.number, is_json=arguments.json)
    if not arguments.follow:
        tail.show_last()
        return EXIT_PROBLEMS if tail.is_damaged else EXIT_OK
    try:
        tail.follow(_sleep)
    except KeyboardInterrupt:
        # Ctrl-C is how following ends.
        return EXIT_OK
    return EXIT_OK


def _sleep() -> bool:
    time.sleep(FOLLOW_SECONDS)
    return True


class _Tail:
    """Shows each record once, whether it was there or came meanwhile."""

    def __init__(self, directory: Path, number: int, *, is_json: bool) -> None:
        self._directory = directory
        self._number = number
        self._is_json = is_json
        self._shown: dict[str, int] = {}
        self.is_damaged = False

    def show_last(self) -> None:
        last: deque[Record] = deque(maxlen=self._number)
        for record in records(self._directory, on_damage=self._damaged):
            last.append(record)
            # Those too old to be shown are not to be shown later either.
            self._shown[record.process] = max(
                record.sequence, self._shown.get(record.process, record.sequence)
            )
        for record in last:
            self._show(record)

    def follow(self, wait: Callable[[], bool]) -> None:
        """`wait` is called when there is nothing new; it returns False to stop."""
        is_begun = False

        def begin_or_wait() -> bool:
            # `follow` has marked the log's end before it waits for the first time. Reading the last
            # records only now leaves no gap between the two; what is in both is shown once.
            nonlocal is_begun
            if not is_begun:
                is_begun = True
                self.show_last()
                return True
            return wait()

        for record in follow(self._directory, begin_or_wait, on_damage=self._damaged):
            if record.sequence > self._shown.get(record.process, 0):
                self._show(record)

    def _show(self, record: Record) -> None:
        if self._is_json:
            give_json({"process": record.process, **record.facts})
        else:
            give(line_of_record(record))

    def _damaged(self, text: str) -> None:
        self.is_damaged = True
        tell(f"{text}: `sallyport audit verify` tells more")
