"""How a node presents itself to Handle clients: its address, its interfaces, its key."""

from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from identifiers.handle_wire.keys import public_octets
from identifiers.hs_site import ADMINISTRATION, PRIMARY, QUERY, Interface, parse_site
from node.addresses import HostPort
from node.errors import DataDirectoryError
from node.handle_site import ensure_handle_key, handle_settings, public_addresses
from node.settings import Handle, Settings
from resolver.handle.server_key import ServerKeyUnusable, ensure_server_key, read_server_key

BOTH = ADMINISTRATION | QUERY


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "handle-key.pem"
    ensure_handle_key(path)
    return path


def settings(key_file: Path, *, public_url: str = "", **handle: object) -> Settings:
    made = msgspec.structs.replace(Handle(), key_file=str(key_file), **handle)
    return Settings(handle=made, public_url=public_url)


def test_the_site_record_has_every_way_to_the_node(key_file: Path) -> None:
    made = handle_settings(
        settings(
            key_file,
            public_url="https://node.example.org",
            public_addresses="192.0.2.7, 2001:db8::7",
            site_description="a node",
            site_serial=3,
        ),
        2641,
    )
    site = parse_site(made.site)
    assert (site.serial, site.mask, site.protocol_version) == (3, PRIMARY, (2, 11))
    assert site.attributes == (("desc", "a node"), ("alt_addr.1", "2001:db8::7"))
    (server,) = site.servers
    assert server.address == bytes(12) + ip_address("192.0.2.7").packed
    assert server.public_key == public_octets(read_server_key(key_file))
    assert server.interfaces == (Interface(BOTH, 1, 2641), Interface(QUERY, 0, 2641), Interface(BOTH, 3, 443))


def test_without_a_public_url_there_is_no_http_interface(key_file: Path) -> None:
    (server,) = parse_site(handle_settings(settings(key_file), 2700).site).servers
    assert [(one.protocol, one.port) for one in server.interfaces] == [(1, 2700), (0, 2700)]


@pytest.mark.parametrize(
    ("written", "listening", "expected"),
    [
        ("", "127.0.0.1:2641", ["127.0.0.1"]),
        ("", "[::1]:2641", ["::1"]),
        ("192.0.2.1", "0.0.0.0:2641", ["192.0.2.1"]),
    ],
)
def test_the_address_is_as_written_or_where_the_node_listens(written: str, listening: str, expected: list[str]) -> None:
    assert [str(address) for address in public_addresses(written, HostPort(listening))] == expected


def test_a_node_that_listens_everywhere_says_from_where_it_would_speak() -> None:
    (address,) = public_addresses("", HostPort("0.0.0.0:2641"))
    assert address.version == 4


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = ensure_server_key(path)
    assert isinstance(made, rsa.RSAPrivateKey)
    assert made.key_size == 2_048
    assert path.stat().st_mode & 0o777 == 0o600
    assert public_octets(ensure_server_key(path)) == public_octets(made)
    assert list(tmp_path.iterdir()) == [path]


def written(path: Path, key: rsa.RSAPrivateKey | dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    return path


def test_a_dsa_key_will_do(tmp_path: Path) -> None:
    path = written(tmp_path / "key.pem", dsa.generate_private_key(1_024))  # noqa: S505 - the smallest is the soonest made
    assert isinstance(read_server_key(path), dsa.DSAPrivateKey)


def test_keys_that_clients_could_not_use_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = written(tmp_path / "curve.pem", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(ServerKeyUnusable, match=r"RSA, DSA or SM2.*name another file in handle\.key_file"):
        read_server_key(path)
    (tmp_path / "text.pem").write_text("no key")
    (tmp_path / "text.pem").chmod(0o600)
    with pytest.raises(DataDirectoryError, match="this is no private key"):
        ensure_handle_key(tmp_path / "text.pem")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path, key_file: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(key_file.read_bytes())
    path.chmod(0o640)
    with pytest.raises(ServerKeyUnusable, match="chmod 600"):
        read_server_key(path)
