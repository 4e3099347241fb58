"""One PostgreSQL for the whole test session, and fresh databases in it."""

import asyncio
import logging
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from node.postgres import EmbeddedPostgres
from sync.calendar_time import beijing_day
from tests.support import eventually

EXTERNAL_DATABASE = "IDNODE_TEST_DATABASE"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Undo what a command run in this process did to logging: its streams are closed when it ends."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
async def today() -> datetime:
    """Return now, on a day that does not end, in UTC nor in Beijing, while the test runs."""

    def now_if_early_enough() -> datetime | None:
        now = datetime.now(UTC)
        return now if _days(now) == _days(now + timedelta(seconds=20)) else None

    return await eventually(now_if_early_enough)


def _days(at: datetime) -> tuple[date, date]:
    return at.date(), beijing_day(at)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Yield the DSN of a PostgreSQL server: embedded for the session, or what IDNODE_TEST_DATABASE names."""
    external = os.environ.get(EXTERNAL_DATABASE)
    if external:
        yield external
        return
    directory = Path(tempfile.mkdtemp(prefix="idnode-test-"))
    server = EmbeddedPostgres(directory / "postgres", directory / "run", durable=False)
    server.initialise()
    with (directory / "postgres.log").open("wb") as log:
        process = subprocess.Popen(server.command(), env=dict(server.environment), cwd="/", stdout=log, stderr=log)
    try:
        asyncio.run(server.wait_ready())
        yield server.dsn
    finally:
        server.stop()
        process.wait(timeout=10)
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def registry_template(postgres: str) -> Iterator[str]:
    """Yield the name of a database that holds the registry's empty tables, to copy from."""
    from registry.migrate import migrate  # noqa: PLC0415 - most tests need no registry

    async def make() -> str:
        name = await _create_database(postgres)
        connection = await asyncpg.connect(_named(postgres, name))
        try:
            await migrate(connection)
        finally:
            await connection.close()
        return name

    name = asyncio.run(make())
    yield name
    asyncio.run(_drop_database(postgres, name))


@pytest.fixture
async def database(postgres: str) -> AsyncIterator[str]:
    """Yield the DSN of a fresh, empty database."""
    name = await _create_database(postgres)
    yield _named(postgres, name)
    await _drop_database(postgres, name)


@pytest.fixture
async def registry_database(postgres: str, registry_template: str) -> AsyncIterator[str]:
    """Yield the DSN of a fresh database with the registry's empty tables."""
    name = await _create_database(postgres, template=registry_template)
    yield _named(postgres, name)
    await _drop_database(postgres, name)


@pytest.fixture(scope="module")
def shared_registry_database(postgres: str, registry_template: str) -> Iterator[str]:
    """Yield the DSN of a database with the registry's tables, for all tests of a module that share what runs on it."""
    name = asyncio.run(_create_database(postgres, template=registry_template))
    yield _named(postgres, name)
    asyncio.run(_drop_database(postgres, name))


@pytest.fixture(scope="module")
def second_registry_database(postgres: str, registry_template: str) -> Iterator[str]:
    """Yield the DSN of another such database, for modules with a second node."""
    name = asyncio.run(_create_database(postgres, template=registry_template))
    yield _named(postgres, name)
    asyncio.run(_drop_database(postgres, name))


async def _create_database(server: str, template: str = "template0") -> str:
    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    finally:
        await connection.close()
    return name


async def _drop_database(server: str, name: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        # FORCE: a test that failed half-way may have left a connection.
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await connection.close()


def _named(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
