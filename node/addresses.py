"""Addresses as settings write them: a host with a port, and the database's address without its secret."""

import re
from typing import Self
from urllib.parse import urlsplit, urlunsplit

_PORT_MAX = 65535
_CHARACTERS_MAX = 255
_HOST_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(?P<port>[0-9]{1,5})")
_SECRET_PARAMETER = re.compile(r"(?i)((?:^|[?&\s])(?:password|sslpassword)=)[^&\s]*")
MASK = "***"


class HostPort(str):
    """Where to listen: a host name or address and a TCP port (0: any free one), written as one text."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Read `127.0.0.1:8080`, `localhost:8080` or `[::1]:8080`. Raises `ValueError`."""
        match = _HOST_PORT.fullmatch(text)
        if match is None or len(text) > _CHARACTERS_MAX or int(match["port"]) > _PORT_MAX:
            raise ValueError("not HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
        return super().__new__(cls, text)

    @property
    def host(self) -> str:
        """The host, without the brackets of an IPv6 address."""
        return self.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.rpartition(":")[2])

    def with_port(self, port: int) -> "HostPort":
        """Return the same host with another port."""
        return HostPort(f"{self.rpartition(':')[0]}:{port}")

    @property
    def local_url(self) -> str:
        """The URL at which this host itself reaches what listens here."""
        everywhere = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
        host, _, port = self.rpartition(":")
        return f"http://{everywhere.get(host, host)}:{port}"


def masked_dsn(dsn: str) -> str:
    """Return a database address that may be shown: passwords, in whichever place, are replaced."""
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return MASK if dsn else dsn
    user, at, place = parts.netloc.rpartition("@")
    if ":" in user:
        user = user.partition(":")[0] + ":" + MASK
    query = _SECRET_PARAMETER.sub(rf"\g<1>{MASK}", parts.query)
    return urlunsplit(parts._replace(netloc=user + at + place, query=query))
