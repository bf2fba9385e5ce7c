"""What time another machine believes it is, from the `Date` of its answer (RFC 9110 §6.6.1).

This file must not know what is compared with it. The header has whole seconds.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import aiohttp

from proxy.runtime.keys import check_url

ANSWER_SECONDS_MAX = 10.0


async def server_time(url: str) -> float | None:
    """Unix seconds as the server tells them; None if it tells none, or cannot be reached.

    Raises ValueError for a URL that keys may not be fetched from.
    """
    check_url(url)
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as client,
            client.get(url, allow_redirects=False) as answer,
        ):
            told = answer.headers.get("Date")
    except (TimeoutError, aiohttp.ClientError):
        return None
    try:
        return None if told is None else parsedate_to_datetime(told).timestamp()
    except ValueError:
        return None
