"""An audit log on disk with a known story, for the commands that read one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from proxy.runtime.audit.appender import Appender, encode
from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.events import Event, clear_text
from tests.proxy.runtime.audit.samples import ALICE, NOON, intent, outcome, refusal

BOB = replace(ALICE, subject="bob", agent=None)
DAY = 86_400.0
# NOON is 2023-11-14T22:13:20 UTC.


def write_events(place: Path, *events: tuple[float, Event, int | None]) -> None:
    """Append events to the log of one process: seconds after NOON, event, number of its intent."""
    appender = Appender.open(place, Disk())
    for seconds, event, intent_number in events:
        payload = event.payload(NOON + seconds, clear_text)
        if intent_number is not None:
            payload["unmapped"]["intent"] = intent_number
        appender.append([encode(payload)])
    appender.sync()
    appender.close()


def write_story(directory: Path) -> None:
    """Alice saw a masked salary, bob a clear one a day later, and alice was refused in between."""
    write_events(
        directory / "gate-0",
        (0, intent(mask="ten_thousands"), None),
        (1, outcome(rows=7), 1),
        (2, refusal(), None),
    )
    write_events(directory / "gate-1", (DAY, intent("select 2", BOB), None))
