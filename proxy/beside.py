"""Work that would hold up the event loop for everybody is done beside it, one piece at a time.

A statement may be large (an IN list of 10,000, a table of 1,600 columns) and take a second to be
guarded. In a thread of its own that second is shared: the loop gets the interpreter every few
milliseconds (`sys.getswitchinterval`). One thread, so that many large statements wait for each
other and not everybody for them.

This file must not know what the work is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class Beside:
    """The thread, started when it is first needed."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="beside")

    async def run(self, function: Callable[[], Result]) -> Result:
        """What `function` returns or raises. It may touch nothing that the loop changes meanwhile.

        A caller that is cancelled leaves at once; the work itself goes on to its end.
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)
