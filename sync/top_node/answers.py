"""How the simulator answers where it has to refuse."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from sync.collecting.problems import Problem, as_answer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with the problem that a handler raised."""
    try:
        return await handler(request)
    except Problem as problem:
        return as_answer(problem)
