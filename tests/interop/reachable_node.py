"""A node whose site record says where it really listens, with users that clients of every kind can be."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from identifiers.handle_wire.keys import public_octets
from identifiers.values import Reference, Value
from resolver.handle.limits import HandleSettings
from resolver.handle.site import HTTP, own_site
from resolver.tls import TlsSettings
from tests.certificates import certificate_pem, new_key, write_pair
from tests.handle_stack import ADMIN, PREFIX, SECRET, SERVICE, admin_value
from tests.integration.handle_http_face import SITE_KEY, Face, running_face
from tests.interop.classic_octets import Site
from tests.interop.classic_session import KeyUser, SecretUser
from tests.interop.classic_transports import get_site
from tests.support import free_port

KEEPER = Reference(f"{PREFIX}/KEEPER", 300)
"""Holds a key, and every right on the prefix."""

BY_SECRET = SecretUser(ADMIN.handle, ADMIN.index, SECRET)
BY_SERVICE = SecretUser(SERVICE.handle, SERVICE.index, SECRET)


@dataclass
class Node:
    """The node. `face` asks it over HTTP; `handle_port` is that of TCP and UDP."""

    face: Face
    handle_port: int
    http_port: int
    https_port: int
    key: rsa.RSAPrivateKey
    certificate: Path

    @property
    def by_key(self) -> KeyUser:
        return KeyUser(KEEPER.handle, KEEPER.index, self.key)

    def site(self) -> Site:
        """Ask the node for its site record, as clients do that know no more than where it is. Blocking."""
        return get_site("127.0.0.1", self.handle_port)


@asynccontextmanager
async def running_node(dsn: str, directory: Path) -> AsyncIterator[Node]:
    """Run a node with the prefix of the stack; `SERVICE` administers it, `ADMIN` and `KEEPER` the prefix.

    Its certificate has the key that signs its answers.
    """
    certificate, tls_key = write_pair(directory, SITE_KEY, certificate_pem(SITE_KEY, "localhost"), "site")
    ports = [free_port() for _ in range(3)]
    site = own_site(
        [ip_address("127.0.0.1")],
        ports[0],
        serial=7,
        description="a node for clients",
        public_key=public_octets(SITE_KEY),
        http=(HTTP, ports[1]),
    )
    settings = {
        "handle": HandleSettings("127.0.0.1", ports[0], site, key_file=tls_key),
        "port": ports[1],
        "tls": TlsSettings("127.0.0.1", ports[2], certificate, tls_key, "optional"),
    }
    async with running_face(dsn, directory, **settings) as face:
        face.trusting = ssl.create_default_context(cafile=certificate)
        key = new_key()
        await face.stack.record(KEEPER.handle, Value(300, "HS_PUBKEY", public_octets(key)), admin_value(100, ADMIN))
        await face.stack.record(f"0.NA/{PREFIX}", admin_value(100, ADMIN), admin_value(101, KEEPER))
        yield Node(face, ports[0], ports[1], ports[2], key, certificate)
