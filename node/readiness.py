"""Waiting until a node does what it is for: every process ready, and `/readyz` saying so to a client."""

import asyncio

import aiohttp

_POLL_SECONDS = 0.05
_ANSWER_SECONDS_MAX = 5.0
_OK = 200


async def until_answering(url: str) -> None:
    """Wait, for as long as it takes, until `/readyz` answers 200."""
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS_MAX)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while not await _is_answering(session, f"{url}/readyz"):  # noqa: ASYNC110 - another process sets no event here
            await asyncio.sleep(_POLL_SECONDS)


async def _is_answering(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == _OK
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
