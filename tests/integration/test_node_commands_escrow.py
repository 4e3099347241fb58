"""`idnode escrow …` as an operator uses it: exit codes, the files it leaves, and a node that is rebuilt."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from node.cli import app
from registry.bootstrap import ensure_administrator
from registry.database import connect
from sync import service
from sync.escrow.depositing import Depositor
from tests.escrow import answers

PREFIX = "88.118"


class Operator:
    """Runs commands on a node of its own directory."""

    def __init__(self, base: Path, dsn: str) -> None:
        self.base = base
        self.dsn = dsn
        self.data_dir = base / "data"
        self.data_dir.mkdir()

    def configure(self, **changed: str) -> None:
        settings = {
            "prefixes": PREFIX,
            "platform_key_file": str(self.base / "platform.pem.pub"),
            "private_key_file": str(self.base / "own.pem"),
            "directory": str(self.base / "platform"),
        }
        lines = [f'{name} = "{value}"' for name, value in (settings | changed).items()]
        text = "\n".join([f'database.dsn = "{self.dsn}"', "[escrow]", *lines])
        (self.data_dir / "idnode.toml").write_text(text)

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["escrow", *arguments])

    def on_node(self, *arguments: str) -> Result:
        return self(*arguments, "--data-dir", str(self.data_dir))


@pytest.fixture
def operator(registry_database: str, tmp_path: Path) -> Operator:
    async def prepare() -> None:
        await service.prepare(registry_database)
        connection = await connect(registry_database)
        await ensure_administrator(connection)
        await connection.close()

    asyncio.run(prepare())
    made = Operator(tmp_path, registry_database)
    for name in ("own", "platform"):
        assert made("keygen", str(tmp_path / f"{name}.pem")).exit_code == 0
    made.configure()
    return made


def test_a_deposit_is_made_shown_checked_and_restored(operator: Operator, database: str) -> None:
    assert (operator.base / "own.pem").stat().st_mode & 0o777 == 0o600
    made = operator.on_node("deposit")
    assert made.exit_code == 0, made.output
    assert "FULL" in made.stdout
    shown = operator.on_node("log", "--json")
    assert '"status":"SUCCESS"' in shown.stdout
    backup = str(operator.data_dir / "escrow" / "backup")
    checked = operator.on_node("verify", backup, "--compare", "--files-only")
    assert checked.exit_code == 0, checked.output
    assert "own copy" in checked.stdout
    assert "not opened: it is for another key" in checked.stdout
    platform = str(operator.base / "platform")
    keys = ("--key", str(operator.base / "platform.pem"), "--signer", str(operator.base / "own.pem.pub"))
    restored = operator.on_node("restore", platform, *keys, "--database", database)
    assert restored.exit_code == 0, restored.output
    assert (operator.data_dir / "admin-token").stat().st_mode & 0o777 == 0o600
    assert asyncio.run(answers(database)) == asyncio.run(answers(operator.dsn))


def test_exit_codes_say_what_failed(operator: Operator, database: str) -> None:
    assert operator.on_node("deposit", "88.119").exit_code == 1
    operator.configure(platform_key_file="")
    missing = operator.on_node("deposit")
    assert (missing.exit_code, "escrow.platform_key_file" in missing.stderr) == (2, True)
    operator.configure()
    assert operator.on_node("deposit", "--database", "postgresql://nobody@127.0.0.1:9/none").exit_code == 3
    operator.configure(work_dir=str(operator.base / "own.pem"))
    assert operator.on_node("deposit").exit_code == 4
    operator.configure()
    assert operator.on_node("deposit").exit_code == 0
    operator.configure(prefixes="88.119")
    foreign = operator.on_node("restore", str(operator.data_dir / "escrow" / "backup"), "--database", database)
    assert (foreign.exit_code, "is of another node: its prefix is 88.118" in foreign.stderr) == (8, True)
    operator.configure()
    arrived = str(operator.base / "platform")
    stranger = operator.on_node("verify", arrived, "--signer", str(operator.base / "platform.pem.pub"))
    assert (stranger.exit_code, "signature is wrong" in stranger.stderr) == (5, True)
    (volume,) = (operator.base / "platform").glob("*.001")
    volume.write_bytes(b"\xff" + volume.read_bytes()[1:])
    damaged = operator.on_node("verify", arrived)
    assert (damaged.exit_code, f"{volume.name} is damaged" in damaged.stderr) == (8, True)
    refused = operator.on_node("restore", arrived, "--database", database)
    assert refused.exit_code == 8
    assert not (operator.data_dir / "admin-token").exists()


def test_what_nobody_foresaw_is_255(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Depositor, "deposit", broken)
    done = operator.on_node("deposit")
    assert (done.exit_code, "unexpected RuntimeError: broken" in done.stderr) == (255, True)


@pytest.mark.slow
def test_a_node_is_rebuilt_in_a_new_data_directory(operator: Operator) -> None:
    assert operator.on_node("deposit").exit_code == 0
    backup = str(operator.data_dir / "escrow" / "backup")
    tried = operator.on_node("verify", backup)  # in a database of its own, for the while
    assert (tried.exit_code, "0 identifiers answered" in tried.stdout) == (0, True), tried.output
    config = operator.base / "new.toml"
    config.write_text(f'[escrow]\nprivate_key_file = "{operator.base / "own.pem"}"\n')
    fresh = operator.base / "fresh"
    arguments = ("restore", backup, "--data-dir", str(fresh), "--config", str(config))
    restored = operator(*arguments)
    assert restored.exit_code == 0, restored.output
    assert (fresh / "admin-token").exists()
    again = operator(*arguments)
    assert (again.exit_code, "holds a registry already" in again.stderr) == (2, True)
