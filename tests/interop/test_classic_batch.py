"""Batch files of the classic software against a running node, written by hand and by pyhandle."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from pyhandle.handleclient import PyHandleClient

from identifiers.handle_wire.keys import load_user_key
from tests.handle_stack import ADMIN, PREFIX, SECRET, SERVICE
from tests.interop.classic_batch import Batch
from tests.interop.classic_client import Classic
from tests.interop.classic_octets import text, u4
from tests.interop.classic_session import KeyUser, User
from tests.interop.reachable_node import KEEPER, Node, running_node

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    async with running_node(shared_registry_database, tmp_path_factory.mktemp("batch")) as made:
        yield made


def number(value: int) -> bytes:
    return text(value.to_bytes(value.bit_length() // 8 + 1, "big"))


def key_octets(key: rsa.RSAPrivateKey | dsa.DSAPrivateKey) -> bytes:
    """Write a private key as the classic software does: the name of the kind, and the numbers."""
    if isinstance(key, dsa.DSAPrivateKey):
        parameters = key.private_numbers().public_numbers.parameter_numbers
        numbers = (key.private_numbers().x, parameters.p, parameters.q, parameters.g)
        return text("DSA_PRIV_KEY") + b"".join(map(number, numbers))
    own = key.private_numbers()
    public = own.public_numbers
    crt = (public.n, public.e, own.d, own.p, own.q, own.dmp1, own.dmq1, own.iqmp)
    return text("RSA_PRIVCRT_KEY") + b"".join(map(number, crt))


def closed(octets: bytes, passphrase: bytes) -> bytes:
    """Encrypt a key file as the classic software does with a passphrase, whose octets are characters to it."""
    salt, iv = secrets.token_bytes(16), secrets.token_bytes(16)
    derived = hashlib.pbkdf2_hmac("sha1", passphrase.decode("latin-1").encode(), salt, 10_000, 16)
    padder, cipher = PKCS7(128).padder(), Cipher(algorithms.AES(derived), modes.CBC(iv)).encryptor()
    sealed = cipher.update(padder.update(octets) + padder.finalize()) + cipher.finalize()
    return u4(4) + text(salt) + u4(10_000) + u4(128) + text(iv) + text(sealed)


def keeper(path: Path, passphrase: str | None) -> User | None:
    key = load_user_key(path.read_bytes(), None if passphrase is None else passphrase.encode())
    assert isinstance(key, rsa.RSAPrivateKey)
    return KeyUser(KEEPER.handle, KEEPER.index, key)


async def run(node: Node, file: Path) -> list[tuple[str, int]]:
    site = await asyncio.to_thread(node.site)
    return await asyncio.to_thread(Batch(Classic(site), keeper).run, file)


async def test_every_entry_of_a_batch_is_done(node: Node, tmp_path: Path) -> None:
    (tmp_path / "admpriv.bin").write_bytes(closed(key_octets(node.key), "密码".encode()))
    name, group = f"{PREFIX}/batch", f"{PREFIX}/batch-group"
    (tmp_path / "batch").write_text(
        f"AUTHENTICATE SECKEY:{SERVICE.index}:{SERVICE.handle}\n{SECRET.decode()}\n\n"
        f"HOME 127.0.0.1:{node.handle_port}:TCP\n0.NA/88.118.91\n0.NA/88.118.92\n\n"
        f"UNHOME 127.0.0.1:{node.handle_port}:TCP\n0.NA/88.118.92\n\n"
        f"AUTHENTICATE PUBKEY:{KEEPER.index}:{KEEPER.handle}\n{tmp_path / 'admpriv.bin'}|密码\n\n"
        f"CREATE {group}\n200 HS_VLIST 86400 1110 LIST {KEEPER.index}:{KEEPER.handle};{ADMIN.index}:{ADMIN.handle};\n"
        f"100 HS_ADMIN 86400 1110 ADMIN {KEEPER.index}:111111111111:{KEEPER.handle}\n\n"
        f"CREATE {name}\n100 HS_ADMIN 86400 1110 ADMIN 200:111111111111:{group}\n"
        "3 URL 86400 1110 UTF8 https://example.com/1\n\n"
        f"ADD {name}\n5 URL 43200 1110 UTF8 https://example.com/5\n6 EMAIL 86400 1110 UTF8 轴承@example.com\n\n"
        f"MODIFY {name}\n3 URL 86400 1110 UTF8 https://example.com/3\n\n"
        f"REMOVE 5,6:{name}\n"
        f"DELETE {name}\n"
        f"DELETE {group}\n",
        encoding="utf-8",
    )
    log = await run(node, tmp_path / "batch")
    assert [code for _, code in log] == [1] * len(log)
    assert [entry.split()[0] for entry, _ in log] == [
        "HOME", "HOME", "UNHOME", "CREATE", "CREATE", "ADD", "MODIFY", "REMOVE", "DELETE", "DELETE",
    ]  # fmt: skip


async def test_a_batch_that_pyhandle_writes_is_done(node: Node, tmp_path: Path) -> None:
    client = PyHandleClient("batch", batch_file_path=str(tmp_path / "batch"))
    client.create_batch_file()
    name = f"{PREFIX}/PYHANDLE-BATCH"
    client.authenticate_seckey(f"{SERVICE.index}:{SERVICE.handle}", f"{SECRET.decode()}\n")
    client.register_handle_batch(name, "https://example.com/1\n", ADMIN.index, ADMIN.handle, "011111111111")
    client.add_handle_value(name, type="NOTE", index=2, data="a note\n")
    client.modify_handle_value(name, type="URL", index=1, data="https://example.com/2\n")
    client.delete_handle_value(name, [2])
    client.delete_handle(name)
    log = await run(node, tmp_path / "batch")
    assert log == [(f"{entry} {name}", 1) for entry in ("CREATE", "ADD", "ADD", "MODIFY", "REMOVE", "DELETE")]


async def test_key_files_are_read_open_and_closed_and_with_the_octets_of_public_keys_between(node: Node) -> None:
    other = dsa.generate_private_key(1_024)  # noqa: S505 - the size that older servers have
    octets = key_octets(node.key)
    flagged = octets[:19] + bytes(2) + octets[19:]
    for file, passphrase in ((u4(1) + octets, None), (u4(1) + flagged, None), (closed(octets, b"pw"), b"pw")):
        read = load_user_key(file, passphrase)
        assert isinstance(read, rsa.RSAPrivateKey)
        assert read.private_numbers() == node.key.private_numbers()
    opened = load_user_key(u4(1) + key_octets(other))
    assert isinstance(opened, dsa.DSAPrivateKey)
    assert opened.private_numbers() == other.private_numbers()
    for file, passphrase in ((closed(octets, b"pw"), b"other"), (closed(octets, b"pw"), None)):
        with pytest.raises(ValueError, match="passphrase"):
            load_user_key(file, passphrase)
