"""Many datagrams by one call to the kernel, both ways (Linux: recvmmsg and sendmmsg).

A call for each costs 0.9 µs more for a request and its answer, mostly for addresses made into Python's form and back.
Here they stay the kernel's octets, from which the sender is known, until somebody asks for more.
"""

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Hashable, Sequence
from typing import Any, Final, Protocol

BATCH_MAX: Final = 64
READ_OCTETS: Final = 2_048
"""More than any path carries in one packet; a longer datagram is cut, and so dropped."""
SEND_OCTETS_MAX: Final = 512
_NAME_OCTETS: Final = 128
_DONT_WAIT: Final = 0x40
_PORT: Final = struct.Struct(">H")
_FAMILY: Final = struct.Struct("=H")
_V6_TAIL: Final = struct.Struct("=I16xI")

Address = tuple[str, int] | tuple[str, int, int, int]
Name = Hashable
"""An address in the form of whoever received from it."""


class Batches(Protocol):
    """Batches of datagrams of one socket that does not block."""

    def receive(self) -> list[tuple[bytes, Any]]:
        """Return what has arrived, at most a batch: datagrams with their senders. Raises OSError."""

    def send(self, answers: Sequence[tuple[bytes, Any]]) -> int:
        """Send datagrams of at most 512 octets, as many as were received at most; how many the kernel took."""

    def address_of(self, name: Any) -> Address:
        """Return an address in Python's form."""


def batches_of(bound: socket.socket) -> Batches:
    """Return the best way this system has for a socket."""
    try:
        return KernelBatches(bound)
    except (OSError, AttributeError):  # no such library, no such calls
        return SingleDatagrams(bound)


class SingleDatagrams:
    """Batches where the system takes one datagram at a time."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound

    def receive(self) -> list[tuple[bytes, Any]]:
        """As Batches."""
        arrived: list[tuple[bytes, Any]] = []
        try:
            while len(arrived) < BATCH_MAX:
                arrived.append(self._socket.recvfrom(READ_OCTETS))
        except BlockingIOError:
            pass
        return arrived

    def send(self, answers: Sequence[tuple[bytes, Any]]) -> int:
        """As Batches."""
        sent = 0
        for answer, name in answers:
            try:
                self._socket.sendto(answer, name)
            except OSError:  # no room, or no way to the peer: it asks again
                continue
            sent += 1
        return sent

    def address_of(self, name: Address) -> Address:
        """As Batches."""
        return name


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("octets", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_octets", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_octets", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("octets", ctypes.c_uint32))


class _Slots:
    """Room for a batch of datagrams of `octets` each, and the structures that tell the kernel of it."""

    def __init__(self, octets: int) -> None:
        self.octets = octets
        self.data = bytearray(BATCH_MAX * octets)
        self.names = bytearray(BATCH_MAX * _NAME_OCTETS)
        self.messages = (_Message * BATCH_MAX)()
        self.vectors = (_Vector * BATCH_MAX)()
        data_at = ctypes.addressof(ctypes.c_char.from_buffer(self.data))
        names_at = ctypes.addressof(ctypes.c_char.from_buffer(self.names))
        for number in range(BATCH_MAX):
            vector, header = self.vectors[number], self.messages[number].header
            vector.base, vector.octets = data_at + number * octets, octets
            header.name, header.name_octets = names_at + number * _NAME_OCTETS, _NAME_OCTETS
            header.vectors, header.vector_count = ctypes.addressof(vector), 1
        # Views for reading and writing single fields, many times sooner than through the structures.
        words = memoryview(self.messages).cast("B").cast("I")
        self.lengths = words[_Message.octets.offset // 4 :: ctypes.sizeof(_Message) // 4]
        self.name_lengths = words[_Header.name_octets.offset // 4 :: ctypes.sizeof(_Message) // 4]
        sizes = memoryview(self.vectors).cast("B").cast("L")
        self.sizes = sizes[1::2]


class KernelBatches:
    """Batches by one call each. Raises OSError or AttributeError where the system has none."""

    def __init__(self, bound: socket.socket) -> None:
        self._descriptor = bound.fileno()
        self._name_octets = 16 if bound.family == socket.AF_INET else 28
        self._in, self._out = _Slots(READ_OCTETS), _Slots(SEND_OCTETS_MAX)
        library = ctypes.CDLL(None, use_errno=True)
        self._receive, self._send = library.recvmmsg, library.sendmmsg

    def receive(self) -> list[tuple[bytes, bytes]]:
        """As Batches; senders are the kernel's octets of their addresses."""
        slots, name_octets = self._in, self._name_octets
        count = self._receive(self._descriptor, slots.messages, BATCH_MAX, _DONT_WAIT, None)
        if count <= 0:
            _raise_unless_empty(count)
            return []
        data, names, octets = slots.data, slots.names, slots.octets
        lengths = slots.lengths[:count].tolist()
        return [
            (
                bytes(data[at : at + length]),
                bytes(names[name_at : name_at + name_octets]),
            )
            for at, name_at, length in zip(
                range(0, count * octets, octets), range(0, count * _NAME_OCTETS, _NAME_OCTETS), lengths, strict=True
            )
        ]

    def send(self, answers: Sequence[tuple[bytes, bytes]]) -> int:
        """As Batches."""
        slots, data, names, name_octets = self._out, self._out.data, self._out.names, self._name_octets
        sizes, name_lengths, octets = slots.sizes, slots.name_lengths, slots.octets
        at = name_at = 0
        for number, (answer, name) in enumerate(answers):
            length = len(answer)
            data[at : at + length] = answer
            names[name_at : name_at + name_octets] = name
            sizes[number] = length
            name_lengths[number] = name_octets
            at += octets
            name_at += _NAME_OCTETS
        sent = done = 0
        while done < len(answers):
            first = ctypes.byref(slots.messages, done * ctypes.sizeof(_Message))
            count = self._send(self._descriptor, first, len(answers) - done, _DONT_WAIT)
            if count > 0:
                sent += count
            elif ctypes.get_errno() in (errno.EAGAIN, errno.ENOBUFS):
                break
            done += max(1, count)  # beyond one that cannot be sent, to whom there is no way
        return sent

    def address_of(self, name: bytes) -> Address:
        """As Batches."""
        return address_of(name)


def address_of(name: bytes) -> Address:
    """Return an address in Python's form."""
    port = _PORT.unpack_from(name, 2)[0]
    if _FAMILY.unpack_from(name)[0] == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, name[4:8]), port
    flow, scope = _V6_TAIL.unpack_from(name, 4)
    return socket.inet_ntop(socket.AF_INET6, name[8:24]), port, socket.ntohl(flow), scope


def _raise_unless_empty(count: int) -> None:
    number = ctypes.get_errno()
    if count < 0 and number not in (errno.EAGAIN, errno.EINTR):
        raise OSError(number, os.strerror(number))
