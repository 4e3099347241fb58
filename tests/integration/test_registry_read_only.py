"""While another body serves for this node, nothing is registered or changed here, on any face."""

from datetime import UTC, datetime
from pathlib import Path

from registry.database import connected
from registry.tables import read_only
from tests.registry_api import VALUES, running_api

NOW = datetime(2031, 5, 6, tzinfo=UTC)


async def test_changes_are_refused_with_their_reason_and_reads_go_on(registry_database: str, tmp_path: Path) -> None:
    async with running_api(registry_database, tmp_path) as api:
        await api.prefix()
        path = "/api/v1/identifiers/88.118.8/PUMP-1"
        assert (await api.admin("PUT", path, {"values": VALUES})).status in (201, 202)
        async with connected(api.context.pool) as connection:
            await read_only.begin(connection, NOW, reason="take-over", ordered_by="top-level node")
        refused = [
            await api.admin("PUT", path, {"values": VALUES}),
            await api.admin("PUT", "/api/v1/identifiers/88.118.8/PUMP-2", {"values": VALUES}),
            await api.admin("DELETE", path),
            await api.admin("POST", "/api/v1/prefixes", {"prefix": "88.118.9", "name": "x"}),
        ]
        line, *_ = await api.admin.batch([{"identifier": "88.118.8/PUMP-3", "values": VALUES}])
        shown = (await api.admin("GET", "/api/v1/sync/status")).json["read_only"]
        found = await api.admin("GET", path)
        async with connected(api.context.pool) as connection:
            assert await read_only.end(connection)
        again = await api.admin("PUT", "/api/v1/identifiers/88.118.8/PUMP-2", {"values": VALUES})
    assert [(one.status, one.json["code"]) for one in refused] == [(409, "read_only")] * 4
    assert (line["status"], line["code"]) == ("rejected", "read_only")
    assert (shown["reason"], found.status, again.status) == ("take-over", 200, 202)
