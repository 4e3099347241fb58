"""Shows how reporting stands to everybody outside its process: in the database, and as figures."""

from sync.context import Context
from sync.database import connected, transaction
from sync.link import Link
from sync.outbox import links, pauses
from sync.status import table_status


async def show(context: Context, link: Link, key_id: str | None) -> None:
    """Write how the link, its access points and the queues are, and try again at once if an operator asked for that.

    Raises DatabaseAway.
    """
    reporter, now = context.reporter, context.now()
    routes = [name for name in context.tables if context.transport.supports(name)]
    points = context.transport.access_points()
    async with transaction(context.pool) as connection:
        if await links.take_retry(connection, reporter):
            link.try_now()
        await links.note_new_key(connection, reporter, key_id)
        await links.show(
            connection,
            reporter,
            transport=context.transport.name,
            standing=link.standing,
            key_id=key_id,
            routes=routes,
            points=points,
            now=now,
        )
    context.metrics.access_points(points)
    async with connected(context.pool) as connection:
        paused = await pauses.find(connection, reporter)
        without = await links.without_route(connection, reporter, routes) if routes else []
        context.metrics.routes(paused=len(paused), without=len(without))
        for name in context.tables:
            context.metrics.show(await table_status(connection, reporter, name, now))
