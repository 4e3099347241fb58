"""The `idnode` command as a person meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.cli import app
from node.setting_table import SETTINGS

IDNODE = str(Path(sys.executable).with_name("idnode"))
COMMANDS = ["serve", "import", "export", "resolve", "status", "prefix", "handle", "config", "loadtest", "top-node"]


def idnode(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IDNODE_")}
    return subprocess.run(
        [IDNODE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=clean | {"COLUMNS": "200", "TERM": "dumb"} | environment,
    )


def test_the_version_is_printed() -> None:
    done = idnode("--version")
    assert (done.returncode, done.stdout) == (0, "idnode 0.1.0\n")


def test_help_names_every_command() -> None:
    text = idnode("--help").stdout
    assert [command for command in COMMANDS if f" {command} " not in text] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"], prog_name="idnode")
    assert done.exit_code == 0
    assert f"Usage: idnode {command}" in done.output


def test_the_help_of_serve_documents_its_exit_codes() -> None:
    text = idnode("serve", "--help").stdout
    assert "Exit codes" in text
    assert "5 the database cannot be used" in text


def test_an_unknown_command_or_option_is_a_usage_error() -> None:
    assert idnode("bogus").returncode == 2
    assert idnode("serve", "--bogus").returncode == 2


def test_config_show_tells_every_setting_with_its_source_and_masks_secrets(tmp_path: Path) -> None:
    (tmp_path / "idnode.toml").write_text("[spool]\nflush_s = 5\n")
    done = idnode(
        "config",
        "show",
        "--json",
        IDNODE_DATA_DIR=str(tmp_path),
        IDNODE_DATABASE_DSN="postgresql://u:hunter2@h/d",
        IDNODE_SYNC_TOKEN="hunter3",
        IDNODE_HTTP_TRUSTED_PROXIES="10.0.0.0/8,::1",
    )
    shown = json.loads(done.stdout)
    assert set(shown) == set(SETTINGS)
    assert shown["spool.flush_s"] == {"value": 5, "source": str(tmp_path / "idnode.toml")}
    assert shown["data_dir"] == {"value": str(tmp_path), "source": "environment, IDNODE_DATA_DIR"}
    assert shown["database.dsn"]["value"] == "postgresql://u:***@h/d"
    assert shown["sync.token"]["value"] == "***"
    assert shown["http.trusted_proxies"]["value"] == ["10.0.0.0/8", "::1/128"]


def test_config_show_is_readable_and_masks_secrets_there_too() -> None:
    done = idnode("config", "show", IDNODE_DATABASE_DSN="postgresql://u:hunter2@h/d", IDNODE_SYNC_TOKEN="hunter3")
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert set(lines) == set(SETTINGS)
    assert "127.0.0.1:8080" in lines["http.address"]
    assert "hunter" not in done.stdout


def test_config_check_accepts_a_good_file_and_lists_what_is_wrong_with_a_bad_one(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text("workers = 2\n")
    bad.write_text("workers = 2000\nworkerz = 1\n")
    assert (idnode("config", "check", str(good)).returncode, idnode("config", "check", str(bad)).returncode) == (0, 2)
    lines = idnode("config", "check", str(bad)).stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("idnode: ")
