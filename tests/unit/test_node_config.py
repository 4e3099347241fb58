"""Where settings come from, and what is said about wrong ones."""

from pathlib import Path

import pytest

from node.config import load, load_file
from node.errors import SettingsError
from node.settings import Settings, decode_settings, encode_settings


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def complaint_about(**arguments: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(**{"environment": {}, **arguments})  # type: ignore[arg-type]
    return str(caught.value).splitlines()


def test_without_anything_written_the_defaults_are_in_force(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = load(environment={})
    assert found.settings.http.address == "127.0.0.1:8080"
    assert found.settings.data_dir == tmp_path / "idnode-data"
    assert set(found.sources.values()) == {"default"}


def test_each_layer_overrides_the_one_before_and_is_named_as_the_source(tmp_path: Path) -> None:
    file = write(tmp_path / "a.toml", "workers = 1\n[http]\nheader_timeout_s = 1\nidle_timeout_s = 1\n")
    found = load(
        file=file,
        environment={"IDNODE_HTTP_HEADER_TIMEOUT_S": "2", "IDNODE_WORKERS": "2"},
        flags={"workers": 3, "http.address": None},
    )
    assert (found.settings.http.idle_timeout_s, found.sources["http.idle_timeout_s"]) == (1, str(file))
    assert (found.settings.http.header_timeout_s, found.settings.workers) == (2, 3)
    assert found.sources["http.header_timeout_s"] == "environment, IDNODE_HTTP_HEADER_TIMEOUT_S"
    assert found.sources["workers"] == "command line"


def test_the_file_in_the_data_directory_is_read_without_being_named(tmp_path: Path) -> None:
    write(tmp_path / "idnode.toml", "workers = 7\n")
    assert load(flags={"data_dir": str(tmp_path)}, environment={}).settings.workers == 7
    assert load(environment={"IDNODE_DATA_DIR": str(tmp_path)}).settings.workers == 7


def test_a_named_file_replaces_the_one_in_the_data_directory(tmp_path: Path) -> None:
    write(tmp_path / "idnode.toml", "workers = 7\n")
    named = write(tmp_path / "other.toml", "")
    assert load(flags={"data_dir": str(tmp_path)}, environment={}, file=named).settings.workers == 0


def test_a_file_found_through_the_data_directory_cannot_move_it(tmp_path: Path) -> None:
    write(tmp_path / "idnode.toml", 'data_dir = "/elsewhere"\n')
    [line] = complaint_about(flags={"data_dir": str(tmp_path)})
    assert "data_dir" in line
    assert "remove the line" in line


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load(environment={"IDNODE_WORKERS": ""}).sources["workers"] == "default"


def test_variables_of_the_client_commands_are_no_mistake() -> None:
    load(environment={"IDNODE_URL": "http://x", "IDNODE_TOKEN": "t", "PATH": "/bin"})


def test_lists_are_written_with_commas_in_the_environment() -> None:
    found = load(environment={"IDNODE_HTTP_TRUSTED_PROXIES": "10.0.0.0/8, ::1"})
    assert [str(network) for network in found.settings.http.trusted_proxies] == ["10.0.0.0/8", "::1/128"]


def test_all_mistakes_are_told_at_once_each_with_name_source_and_remedy(tmp_path: Path) -> None:
    file = write(tmp_path / "a.toml", 'workerz = 3\n[http]\naddress = "localhost"\nidle_timeout_s = 0\n')
    lines = complaint_about(
        file=file, environment={"IDNODE_WORKERS": "many", "IDNODE_HTTP_ADRESS": "x"}, flags={"log.level": "loud"}
    )
    wanted = """
IDNODE_HTTP_ADRESS (environment) is not a setting; did you mean IDNODE_HTTP_ADDRESS?; unset it
workerz (FILE) is not a setting; did you mean workers?; correct or remove it
http.address (FILE): 'localhost' will not do; give HOST:PORT, or leave it out for 127.0.0.1:8080
http.idle_timeout_s (FILE): 0 will not do; give a whole number from 1 to 3,600 (seconds), or leave it out for 30
workers (environment, IDNODE_WORKERS): 'many' will not do; give a whole number from 0 to 256 (processes), or leave it out for 0
log.level (command line): 'loud' will not do; give one of debug, info, warning, error, or leave it out for info
"""  # noqa: E501 - as the lines are printed
    assert lines == wanted.replace("FILE", str(file)).strip().splitlines()


def test_a_mistake_is_told_even_where_a_later_layer_overrides_it(tmp_path: Path) -> None:
    [line] = complaint_about(file=write(tmp_path / "a.toml", 'workers = "4"'), flags={"workers": 2})
    assert "workers" in line


def test_a_wrong_secret_is_not_repeated() -> None:
    [line] = complaint_about(environment={"IDNODE_DATABASE_DSN": "mysql://u:hunter2@h/d"})
    assert "hunter2" not in line
    assert "postgresql://" in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"workers = = 2", "not TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#" * 1_048_577, "longer than"),
        (b"http = 3", "http"),
        (b"[http.deeper]\nx = 1", "http.deeper"),
        (b"[replica]\nmap_initial_octets = 2000000\nmap_max_octets = 1048576", "lower the first"),
        (b'[sync]\nupstream_url = "http://top.example"', "reporter_prefix"),
        (b'[sync]\nupstream_srv = "_idn._tcp.top.example"', "reporter_prefix"),
        (b'[sync]\nreporter_prefix = "88.118"\nsign_key_file = "k"', "key_id"),
        (b'[sync]\nreporter_prefix = "88.118"\nkey_id = "88.119#a"', "must begin with"),
        (b'[sync]\nreporter_prefix = "88.118"\ntls_key_file = "k"', "tls_certificate_file"),
        (b'[sync]\nreporter_prefix = "88.118"\ntransport = "sftp"', "upstream_sftp"),
        (b'[sync]\nreporter_prefix = "88.118"\ntransport = "sftp"\nupstream_sftp = "sftp://a@b/c"', "sftp_host_key"),
        (b'[sync]\nreporter_prefix = "88.118"\ntransport = "file"', "upstream_directory"),
        (b'[sync]\nreporter_prefix = "88.118"\nsecond_transport = "file"', "upstream_directory"),
        (b'[sync]\nreporter_prefix = "88.118"\nsecond_transport = "sftp"', "upstream_sftp"),
        (
            (
                b'[sync]\nreporter_prefix = "88.118"\nupstream_directory = "/r"\n'
                b'transport = "file"\nsecond_transport = "file"'
            ),
            "over HTTPS",
        ),
        (b'[mirror]\nsign_key_file = "k"', "mirror.key_id is not"),
        (b"workers = 2.5", "whole number"),
        (b"workers = true", "whole number"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_reason(tmp_path: Path, text: bytes, said: str) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(text)
    with pytest.raises(SettingsError, match=said):
        load_file(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml cannot be read: No such file"):
        load_file(tmp_path / "absent.toml")


def test_the_sync_process_is_for_reports_and_for_deposits(tmp_path: Path) -> None:
    deposits, mirror = tmp_path / "deposits.toml", tmp_path / "mirror.toml"
    deposits.write_text('[escrow]\nprefixes = "88.118"')
    mirror.write_text('[escrow]\nprefixes = "88.118"\n[mirror]\nupstream_url = "https://node.example.org"')
    assert [load(file=file, environment={}).settings.syncs for file in (deposits, mirror)] == [True, False]
    assert not Settings().syncs


def test_settings_survive_the_way_to_a_child_process() -> None:
    settings = load(environment={"IDNODE_HTTP_TRUSTED_PROXIES": "10.0.0.0/8", "IDNODE_WORKERS": "3"}).settings
    assert decode_settings(encode_settings(settings)) == settings
    assert decode_settings(encode_settings(Settings())) == Settings()
