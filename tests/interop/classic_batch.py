"""The batch program of the classic software (`hdl-genericbatch`): what it sends for each entry of its files."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.classic_client import Classic
from tests.interop.classic_octets import CERTIFY, NotAccepted, Value, text, u4, values_octets
from tests.interop.classic_session import SecretUser, User
from tests.interop.classic_transports import Request

_RIGHTS = (0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x400, 0x80, 0x100, 0x200, 0x800)
"""What the twelve digits of an entry stand for."""
_WITH_VALUES = {"CREATE": 100, "ADD": 102, "MODIFY": 104}
_SECRET, _KEY = "SECKEY", "PUBKEY"


@dataclass
class Batch:
    """Runs a file. `log` has what the program would write: the entry, and how it went."""

    classic: Classic
    open_key: Callable[[Path, str | None], User | None]
    user: User | None = None
    log: list[tuple[str, int]] = field(default_factory=list)

    def run(self, file: Path) -> list[tuple[str, int]]:
        lines = iter(file.read_text(encoding="utf-8").splitlines())
        for line in lines:
            command, _, rest = line.partition(" ")
            if command:
                self._take(command.upper(), rest.strip(), lines)
        return self.log

    def _take(self, command: str, rest: str, lines: Iterator[str]) -> None:
        if command == "AUTHENTICATE":
            self._authenticate(rest, next(lines))
        elif command in _WITH_VALUES:
            values = [_value(line) for line in _until_blank(lines)]
            self._send(command, Request(_WITH_VALUES[command], rest, values_octets(rest, *values), self.user))
        elif command == "REMOVE":
            indexes, _, name = rest.partition(":")
            numbers = [int(index) for index in indexes.split(",")]
            body = text(name) + u4(len(numbers)) + b"".join(map(u4, numbers))
            self._send(command, Request(103, name, body, self.user))
        elif command == "DELETE":
            self._send(command, Request(101, rest, text(rest), self.user))
        elif command in ("HOME", "UNHOME"):
            for prefix in _until_blank(lines):
                self._send(command, Request(300 + (command == "UNHOME"), prefix, text(prefix), self.user, CERTIFY))
        else:
            raise NotAccepted(f"no entry begins with {command}")

    def _authenticate(self, who: str, proof: str) -> None:
        kind, index, handle = who.split(":", 2)
        if kind.upper() == _SECRET:
            self.user = SecretUser(handle, int(index), proof.strip().encode())
            return
        path, _, passphrase = proof.partition("|")
        self.user = self.open_key(Path(path.strip()), passphrase.strip() or None)

    def _send(self, command: str, request: Request) -> None:
        self.log.append((f"{command} {request.name}", self.classic.process(request).rc))


def _until_blank(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if not line:
            return
        yield line


def _value(line: str) -> Value:
    index, type_, ttl, permissions, kind, data = line.split(" ", 5)
    return Value(int(index), type_, _data(kind.upper(), data), int(permissions, 2), int(ttl))


def _data(kind: str, data: str) -> bytes:
    if kind == "UTF8":
        return data.strip().encode()
    if kind == "ADMIN":
        index, digits, handle = data.split(":", 2)
        rights = sum(right for right, digit in zip(_RIGHTS, digits, strict=True) if digit == "1")
        return struct.pack(">H", rights) + text(handle.strip()) + u4(int(index))
    if kind == "LIST":
        members = [member.strip().split(":", 1) for member in data.split(";") if member.strip()]
        return u4(len(members)) + b"".join(text(handle) + u4(int(index)) for index, handle in members)
    if kind == "FILE":
        return Path(data.strip()).read_bytes()
    raise NotAccepted(f"no data is {kind}")
