"""Where settings come from: defaults, a TOML file, the environment, the command line; the last word wins.

Everything wrong is reported at once, each with where it was written and what to write instead.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from node.errors import SettingsError
from node.setting_table import SETTINGS
from node.settings import Settings, Sync, read_value

FILE_NAME = "idnode.toml"
_FILE_OCTETS_MAX = 1_048_576
_DEFAULT = "default"
_SHOWN_CHARACTERS_MAX = 80

# Understood by other commands than `serve`, or by the project's tests; not settings of a node.
_OTHER_VARIABLES = {"IDNODE_URL", "IDNODE_TOKEN", "IDNODE_TOP_NODE_TOKEN", "IDNODE_TEST_DATABASE"}


@dataclass(frozen=True, slots=True)
class Written:
    """What somebody wrote for a setting, and where."""

    value: Any
    source: str
    is_text: bool


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings in force, and for each dotted name where its value comes from."""

    settings: Settings
    sources: Mapping[str, str]


def load(
    *, flags: Mapping[str, object] | None = None, environment: Mapping[str, str], file: Path | None = None
) -> Configuration:
    """Settle every setting. `flags` are by dotted name; None as a value means that the flag was not given.

    Without `file`, `idnode.toml` in the data directory is read if it is there. Raises `SettingsError`.
    """
    problems: list[str] = []
    variables, arguments = _from_environment(environment, problems), _from_flags(flags or {})
    path = file or _file_in_data_dir(variables | arguments)
    lines = {} if path is None else _from_file(path, problems)
    if file is None and "data_dir" in lines:
        problems.append(f"data_dir in {path}: a file found through the data directory cannot move it; remove the line")
    return _settle([lines, variables, arguments], problems)


def load_file(file: Path) -> Configuration:
    """Settle the settings of a file alone, as a check of it. Raises `SettingsError`."""
    problems: list[str] = []
    return _settle([_from_file(file, problems)], problems)


def _settle(layers: Sequence[Mapping[str, Written]], problems: list[str]) -> Configuration:
    values: dict[str, Any] = {}
    sources = dict.fromkeys(SETTINGS, _DEFAULT)
    # Every layer is read in full: a mistake is told even where a later word would hide it.
    for name, one in chain.from_iterable(layer.items() for layer in layers):
        row = SETTINGS[name]
        sources[name] = one.source
        try:
            values[name] = read_value(row.kind, one.value, from_text=one.is_text)
        except msgspec.ValidationError:
            shown = "the value" if row.secret else repr(one.value)[:_SHOWN_CHARACTERS_MAX]
            problems.append(f"{name} ({one.source}): {shown} will not do; {row.remedy}")
    settings = _assemble(values)
    if not problems:
        problems += _contradictions(settings)
    if problems:
        raise SettingsError("\n".join(problems))
    return Configuration(msgspec.structs.replace(settings, data_dir=settings.data_dir.absolute()), sources)


def _contradictions(settings: Settings) -> Iterator[str]:
    replica, sync = settings.replica, settings.sync
    if replica.map_initial_octets > replica.map_max_octets:
        yield (
            f"replica.map_initial_octets ({replica.map_initial_octets}) is more than replica.map_max_octets "
            f"({replica.map_max_octets}); lower the first or raise the second"
        )
    http = settings.http
    if http.tls_address and not (http.tls_certificate_file and http.tls_key_file):
        yield "http.tls_address is set, so http.tls_certificate_file and http.tls_key_file have to be set too"
    if http.client_certificates != "off" and not http.tls_address:
        yield "http.client_certificates is set, but clients show certificates over TLS only: set http.tls_address too"
    if settings.mirror.sign_key_file and not settings.mirror.key_id:
        yield "mirror.sign_key_file is set but mirror.key_id is not; give the name that node knows the key by"
    yield from _contradictions_of_reports(sync)


def _contradictions_of_reports(sync: Sync) -> Iterator[str]:
    if sync.reports and not sync.reporter_prefix:
        yield (
            f"reports have somewhere to go (sync.transport = {sync.transport}) but sync.reporter_prefix is not set; "
            "give this node's own prefix, such as 88.118"
        )
    if sync.sign_key_file and not sync.key_id:
        yield "sync.sign_key_file is set but sync.key_id is not; give the name the collector knows the key by"
    if sync.key_id and sync.key_id.partition("#")[0] != sync.reporter_prefix:
        yield f"sync.key_id ({sync.key_id}) must begin with sync.reporter_prefix ({sync.reporter_prefix}) and #"
    if sync.tls_key_file and not sync.tls_certificate_file:
        yield "sync.tls_key_file is set but sync.tls_certificate_file is not; give both, or neither"
    if sync.second_transport != "none" and sync.transport != "https":
        yield "sync.second_transport is for tables that the collector does not take over HTTPS: leave it out"
    for name, transport in (("transport", sync.transport), ("second_transport", sync.second_transport)):
        yield from _lacks_of_files(sync, f"sync.{name}", transport)


def _lacks_of_files(sync: Sync, setting: str, transport: str) -> Iterator[str]:
    if transport == "sftp" and not sync.upstream_sftp:
        yield f"{setting} is sftp but sync.upstream_sftp is not set; give it, or leave {setting} out"
    elif transport == "sftp" and not (sync.sftp_key_file and sync.sftp_host_key):
        yield f"{setting} is sftp: give sync.sftp_key_file and sync.sftp_host_key"
    elif transport == "file" and not sync.upstream_directory:
        yield f"{setting} is file but sync.upstream_directory is not set; give it, or leave {setting} out"


def _assemble(values: Mapping[str, Any]) -> Settings:
    top: dict[str, Any] = {}
    sections: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, dot, key = name.partition(".")
        if dot:
            sections.setdefault(section, {})[key] = value
        else:
            top[name] = value
    defaults = Settings()
    for section, members in sections.items():
        top[section] = msgspec.structs.replace(getattr(defaults, section), **members)
    return Settings(**top)


def _from_flags(flags: Mapping[str, object]) -> dict[str, Written]:
    return {
        name: Written(value, "command line", is_text=isinstance(value, str))
        for name, value in flags.items()
        if value is not None
    }


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, Written]:
    names = {row.environment_name: name for name, row in SETTINGS.items()}
    found: dict[str, Written] = {}
    for variable, text in environment.items():
        # An empty variable is how many tools write "not set".
        if not variable.startswith("IDNODE_") or variable in _OTHER_VARIABLES or not text:
            continue
        if variable in names:
            found[names[variable]] = Written(text, f"environment, {variable}", is_text=True)
        else:
            problems.append(f"{variable} (environment) is not a setting{_nearest(variable, names)}; unset it")
    return found


def _file_in_data_dir(above: Mapping[str, Written]) -> Path | None:
    chosen = above["data_dir"].value if "data_dir" in above else SETTINGS["data_dir"].default
    path = Path(str(chosen)) / FILE_NAME
    return path if path.is_file() else None


def _from_file(path: Path, problems: list[str]) -> dict[str, Written]:
    found: dict[str, Written] = {}
    for name, value in _flat(_read_toml(path), ""):
        if name in SETTINGS:
            found[name] = Written(value, str(path), is_text=False)
        else:
            problems.append(f"{name} ({path}) is not a setting{_nearest(name, SETTINGS)}; correct or remove it")
    return found


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            octets = file.read(_FILE_OCTETS_MAX + 1)
        if len(octets) > _FILE_OCTETS_MAX:
            raise SettingsError(f"{path} is longer than {_FILE_OCTETS_MAX:,} octets; is it the right file?")
        return tomllib.loads(octets.decode("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}; check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text (octet {error.start}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}; correct that line") from error


def _flat(table: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        # One level of sections exists; a deeper table is reported as one unknown or wrong setting.
        if isinstance(value, dict) and not before:
            yield from _flat(value, f"{key}.")
        else:
            yield before + key, value


def _nearest(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
