"""`idnode escrow verify` loads what it is given and looks identifiers up; whatever differs is named."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from node.cli import app
from registry.migrate import migrate
from sync import service
from tests.escrow import Desk
from tests.registered_node import SCOPE, register, template, whole_node
from tests.registry_api import Api, running_api

Verify = Callable[..., Awaitable[Result]]


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path, national_link=False) as running:
        await whole_node(running)
        await template(running, "PUMP")
        for number in range(5):
            await register(running, f"{SCOPE}/A{number}", "PUMP")
        await running.admin("PUT", f"/api/v1/aliases/{SCOPE}/OLD", {"identifier": f"{SCOPE}/A0"})
        await running.admin("DELETE", f"/api/v1/identifiers/{SCOPE}/A4")
        yield running


@pytest.fixture
def verify(api: Api, database: str, tmp_path: Path) -> Verify:
    config = tmp_path / "idnode.toml"
    config.write_text(f'database.dsn = "{api.dsn}"\n[escrow]\nprivate_key_file = "{tmp_path / "own.pem"}"\n')

    def run(*arguments: str) -> Awaitable[Result]:
        named = ("verify", str(tmp_path / "backup"), "--config", str(config), "--scratch", database, *arguments)
        return asyncio.to_thread(lambda: CliRunner().invoke(app, ["escrow", *named]))

    return run


async def test_a_chain_is_loaded_and_its_identifiers_are_answered(
    api: Api, verify: Verify, database: str, tmp_path: Path
) -> None:
    desk = Desk(api.dsn, tmp_path)
    await desk.deposit()
    await register(api, f"{SCOPE}/LATER", "PUMP")
    await desk.deposit()
    done = await verify("--compare")
    assert done.exit_code == 0, done.output
    assert "loaded as the registry was, 7 identifiers answered" in done.stdout
    assert "2 of 2: " in done.stderr
    assert "looking up 7 identifiers" in done.stderr

    # The scratch database holds it now; another try needs an empty one.
    assert (await verify()).exit_code == 2
    connection = await asyncpg.connect(database)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    connection = await asyncpg.connect(api.dsn)
    await connection.execute("UPDATE identifiers SET values = '[]' WHERE spelling = $1", f"{SCOPE}/A1")
    await connection.close()
    done = await verify("--compare")
    assert done.exit_code == 8, done.output
    assert f"1 of 7 identifiers are not answered as they should: {SCOPE}/A1 has other content" in done.stderr


LOST, CHANGED = "RETURN NULL;", "NEW.successor := 'x'; RETURN NEW;"


@pytest.mark.slow
async def test_rows_that_are_lost_or_changed_on_the_way_end_a_restoration(
    api: Api, database: str, tmp_path: Path, verify: Verify
) -> None:
    await Desk(api.dsn, tmp_path).deposit()
    connection = await asyncpg.connect(database)
    await migrate(connection)
    told = {
        LOST: "identifiers has 0 rows, the registry had 6",
        CHANGED: "identifiers has 6 rows, but not all with the content they had",
    }
    for body, fault in told.items():
        await connection.execute(
            f"CREATE OR REPLACE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$; "
            "CREATE OR REPLACE TRIGGER spoil BEFORE INSERT ON identifiers FOR EACH ROW EXECUTE FUNCTION spoil()"
        )
        done = await verify()
        assert (done.exit_code, fault in done.stderr) == (8, True), done.output
        assert await connection.fetchval("SELECT count(*) FROM prefixes") == 0
    await connection.close()
