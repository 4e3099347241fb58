"""What operators say of Handle users, as a worker takes it, and what is wrong with it."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest

from identifiers import sm2
from identifiers.handle_wire.keys import load_public_key, public_octets
from identifiers.values import Reference
from node.errors import SettingsError
from node.handle_users import auth_settings
from node.settings import Handle, TrustedNetworks
from resolver.handle.auth.limits import AuthSettings

KEY = sm2.generate()


def taken(**settings: Any) -> AuthSettings:
    return auth_settings(msgspec.structs.replace(Handle(), **settings))


def test_by_default_nobody_administers_and_nothing_is_asked_elsewhere() -> None:
    assert taken() == AuthSettings()


def test_administrators_and_the_upstream_are_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(public_octets(KEY))
    found = taken(
        administrators="300:88.118/ADMIN, 200:0.NA/88.118",
        upstream="[2001:db8::1]:3641",
        upstream_key_file=str(tmp_path / "key"),
        upstream_networks=TrustedNetworks.parse("10.0.0.0/8"),
    )
    assert found.administrators == (Reference("88.118/ADMIN", 300), Reference("0.NA/88.118", 200))
    assert found.upstream == ("2001:db8::1", 3641)
    assert found.upstream_key == load_public_key(public_octets(KEY))
    assert found.upstream_networks == (ip_network("10.0.0.0/8"),)


def test_what_is_wrong_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "none").write_text("no key")
    for settings, said in (
        ({"administrators": "99999999999:88.118/ADMIN"}, "handle.administrators"),
        ({"upstream_key_file": str(tmp_path / "none")}, "no public key"),
        ({"upstream_key_file": str(tmp_path / "missing")}, "cannot read"),
        ({"key_bits_min": 3_072, "key_bits_max": 2_048}, "handle.key_bits_min"),
    ):
        with pytest.raises(SettingsError, match=said):
            taken(**settings)
