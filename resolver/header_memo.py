"""What a header block means for the fast lane, parsed once by a real parser and remembered by its octets.

Clients repeat their header block byte for byte, so nearly every request finds its block here. Only blocks made of
headers that cannot change the answer are taken; everything else is left to aiohttp.
"""

from typing import NamedTuple

import httptools

BLOCKS_MAX = 4_096
BLOCK_OCTETS_MAX = 2_048

INERT = frozenset(
    (
        b"accept-charset",
        b"accept-language",
        b"cache-control",
        b"cookie",
        b"dnt",
        b"origin",
        b"pragma",
        b"priority",
        b"referer",
        b"sec-ch-ua",
        b"sec-ch-ua-mobile",
        b"sec-ch-ua-platform",
        b"sec-fetch-dest",
        b"sec-fetch-mode",
        b"sec-fetch-site",
        b"sec-fetch-user",
        b"sec-gpc",
        b"upgrade-insecure-requests",
        b"user-agent",
    )
)
"""Headers that no resolution answer depends on."""


class Plain(NamedTuple):
    """A block the lane may answer under."""

    keep_alive: bool
    gzip: bool
    accept: bytes


class HeaderMemo:
    """Header block → Plain, or None for blocks that must go to aiohttp. Bounded: a full memo starts over."""

    def __init__(self, *, behind_proxy: bool = False) -> None:
        self.known: dict[bytes, Plain | None] = {}
        # Forwarding headers matter only where a trusted proxy sends them; elsewhere they are ignored like any other.
        self._inert = INERT if behind_proxy else INERT | {b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"}

    def __len__(self) -> int:
        return len(self.known)

    def meaning(self, block: bytes) -> Plain | None:
        """Return the meaning of a block: the octets from the blank before `HTTP/1.1` to the empty line, included."""
        try:
            return self.known[block]
        except KeyError:
            pass
        if len(block) > BLOCK_OCTETS_MAX or not block.startswith(b" HTTP/1.1\r\n"):
            return None
        if len(self.known) >= BLOCKS_MAX:
            self.known = {}
        meaning = self.known[block] = self._parse(block)
        return meaning

    def _parse(self, block: bytes) -> Plain | None:
        collector = _Collector()
        parser = httptools.HttpRequestParser(collector)
        try:
            parser.feed_data(b"GET /" + block)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return None
        if not collector.complete:
            return None
        return self._plain(collector.headers)

    def _plain(self, headers: list[tuple[bytes, bytes]]) -> Plain | None:
        seen = {name: value for name, value in headers if name not in self._inert}
        if len(seen) != sum(name not in self._inert for name, _ in headers) or not seen.pop(b"host", b""):
            return None
        connection = seen.pop(b"connection", b"keep-alive").lower()
        encodings = seen.pop(b"accept-encoding", b"").lower()
        accept = seen.pop(b"accept", b"").lower()
        if seen or connection not in (b"keep-alive", b"close") or b"q=0" in encodings:
            return None
        codings = {coding.partition(b";")[0].strip() for coding in encodings.split(b",")}
        return Plain(connection == b"keep-alive", b"gzip" in codings, accept)


class _Collector:
    """Takes the parser's callbacks."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header field."""
        self.headers.append((name.lower(), value))

    def on_message_complete(self) -> None:
        """Take the end of the (empty) body."""
        self.complete = True
