"""The fast lane on TLS: the same, but who shows a certificate is somebody, and the lane answers only strangers."""

import asyncio
from typing import ClassVar

from resolver.lane import LaneProtocol


class SecureLaneProtocol(LaneProtocol):
    """One connection over TLS, its handshake done."""

    __slots__ = ()
    secure: ClassVar = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the peer; a connection with a client's certificate is the handlers' from the beginning."""
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        if not transport.is_closing() and connection is not None and connection.getpeercert(True):  # noqa: FBT003 - the library's own positional flag
            self.at_rest = False
            self._hand_over(b"")
