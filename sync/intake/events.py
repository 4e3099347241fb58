"""Shows events that enterprises' nodes told among those of this node (docking contract 11); they go on as they are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from registry.tables import node_events
from registry.tables.node_events import Event
from sync.collecting.header import EVENTS, Handed
from sync.database import Connection

CONDITION: Final = "told by the enterprise's node"


async def show(connection: Connection, header: Handed, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Enter accepted rows of E2, in the caller's transaction; rows of other tables are none of its business."""
    if header.table not in EVENTS:
        return
    for row in rows:
        data = row["data"]
        event = Event(
            prefix=data["prefix"],
            condition=CONDITION,
            event_type=data["event_type"],
            event_no=data["event_no"],
            occurred_at=datetime.fromisoformat(data["occurred_at"]),
            related_event_no=data.get("related_event_no"),
            cause=data.get("cause"),
            abnormal_type=data.get("abnormal_type"),
            source="enterprise",
        )
        await node_events.insert_told(connection, event, now)
