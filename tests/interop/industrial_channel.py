"""A connection of an industrial-internet client: the octets it sends, and what it checks in the answers.

Written from the protocol alone, apart from this project's codec, so that a mistake made twice shows.
"""

import secrets
import socket
import struct
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from identifiers import sm2
from tests.interop.classic_octets import (
    CERTIFY,
    DIGEST,
    ENCRYPT,
    RECURSIVE,
    USUAL,
    Answer,
    NotAccepted,
    Reader,
    digest_of,
    read_answer,
    read_site,
    text,
    u4,
)
from tests.interop.classic_session import User, check_credential
from tests.interop.classic_transports import TCP

LOGIN = 2001
LOGIN_FLAGS = RECURSIVE | DIGEST
ENCRYPTED = 0x40
_P = 2**256 - 2**224 - 2**96 + 2**64 - 1


class Channel:
    """One connection of such a client. Answers are taken in their order, whatever their numbers are."""

    def __init__(
        self, port: int, session_id: int | None = None, version: tuple[int, int] = (2, 10), host: str = "127.0.0.1"
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10.0, source_address=(host, 0))
        self.session_id = 10_001 if session_id is None else session_id
        self.version = version
        self.number = 0
        self.key = b""
        self.cipher: SessionCipher | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(
        self, op: int, body: bytes, flags: int = USUAL, *, session_id: int | None = None, credential: bool = True
    ) -> bytes:
        """Send a request and return its header and body."""
        self.number += 1
        flags |= ENCRYPT if self.cipher is not None else 0
        content = u4(op) + u4(0) + u4(flags) + b"\xff\xff" + bytes(2) + u4(2_000_000_000) + u4(len(body)) + body
        part = content + (u4(0) if credential else b"")
        if self.cipher is not None:
            part = self.cipher.sealed(part)
        number = self.session_id if session_id is None else session_id
        marks = 2 | (ENCRYPTED if self.cipher is not None else 0)
        head = bytes((*self.version, marks, 11)) + u4(number) + u4(self.number) + u4(0) + u4(len(part))
        self.socket.sendall(head + part)
        return content

    def receive(self) -> Answer:
        """Return the next answer; its envelope has to come in one piece, and it must be one the client can read."""
        envelope = self.socket.recv(20)
        if len(envelope) != 20:
            raise NotAccepted(f"{len(envelope)} octets of an envelope")
        length = struct.unpack(">i", envelope[16:20])[0]
        part = b""
        while len(part) < length:
            part += self.socket.recv(length - len(part)) or b""
        if self.cipher is not None:
            if not envelope[2] & ENCRYPTED:
                raise NotAccepted("an answer that everyone can read")
            envelope = envelope[:2] + bytes((envelope[2] & ~ENCRYPTED,)) + envelope[3:]
            part = self.cipher.opened(part)
        if int.from_bytes(part[:4], "big") == LOGIN and part[4:8] == u4(1):
            return Answer(envelope, part[: 24 + int.from_bytes(part[20:24], "big")])
        return read_answer(envelope, part)

    def ask(self, op: int, body: bytes, flags: int = USUAL, **how: Any) -> Answer:
        """Ask, and check the signature where one is asked for."""
        content = self.send(op, body, flags, **how)
        answer = self.receive()
        if answer.session_id != (self.session_id if how.get("session_id") is None else how["session_id"]):
            raise NotAccepted("an answer under another session id")
        if flags & CERTIFY:
            check_credential(answer, None, self.key)
        if flags & DIGEST and answer.op != LOGIN:
            assert answer.digest is not None
            assert answer.digest[1] == digest_of(answer.digest[0], content)
        return answer

    def find_site(self, flags: int = USUAL) -> None:
        """Ask for the site, and take the key that signs from it; TCP has to be its first interface."""
        self.send(2, text("/"), flags)
        answer = self.receive()
        (server,) = read_site(answer.body).servers
        assert server.interfaces[0][1] == TCP
        self.key = server.key
        if flags & CERTIFY:
            check_credential(answer, None, self.key)

    def log_in(self, user: User, flags: int = LOGIN_FLAGS, *, credential: bool = False) -> Answer:
        proof = self.challenged(user, flags, credential=credential)
        return self.respond(user, user.type, proof, flags & ~CERTIFY)

    def challenged(self, user: User, flags: int = LOGIN_FLAGS, *, credential: bool = False) -> bytes:
        """Ask to log in, and return the proof that answers the challenge."""
        content = self.send(LOGIN, text(user.handle) + u4(user.index), flags, credential=credential)
        challenge = self.receive()
        assert (challenge.op, challenge.rc, challenge.session_id) == (LOGIN, 402, self.session_id)
        if flags & CERTIFY:
            check_credential(challenge, None, self.key)
        assert challenge.digest is not None
        assert challenge.digest == (3, digest_of(3, content))
        return user.proof(challenge.nonce + challenge.digest[1])

    def respond(self, user: Any, type_: str, proof: bytes, flags: int = LOGIN_FLAGS) -> Answer:
        self.send(200, text(type_) + text(user.handle) + u4(user.index) + text(proof), flags)
        answer = self.receive()
        assert (answer.op, answer.session_id) == (LOGIN, self.session_id)
        return answer

    def encrypt(self, user: Any, private_key: rsa.RSAPrivateKey | sm2.PrivateKey) -> None:
        """Have a key sent that only the user can read, before anything else, and encrypt with it from now on."""
        asked = (3).to_bytes(2, "big") + u4(86_400) + text("") + u4(-1) + text(user.handle) + u4(user.index)
        self.send(400, asked + bytes(2), USUAL)
        answer = self.receive()
        reader = Reader(answer.body)
        if (answer.rc, answer.session_id, reader.u2()) != (1, self.session_id, 3):
            raise NotAccepted("no key was sent")
        octets = reader.text()
        if isinstance(private_key, sm2.PrivateKey):
            octets = _sm2_decrypted(octets, private_key.secret)
        else:
            octets = private_key.decrypt(octets, padding.PKCS1v15())
        self.cipher = SessionCipher(int.from_bytes(octets[:4], "big"), octets[4:])


class SessionCipher:
    """AES (3) with its IV before the ciphertext, or SM4 (4) with its key for an IV."""

    def __init__(self, number: int, key: bytes) -> None:
        self.is_aes = {3: True, 4: False}[number]
        self.key = key

    def sealed(self, plain: bytes) -> bytes:
        iv = secrets.token_bytes(16) if self.is_aes else self.key
        padder, encryptor = PKCS7(128).padder(), self._cipher(iv).encryptor()
        octets = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
        return iv + octets if self.is_aes else octets

    def opened(self, octets: bytes) -> bytes:
        iv, octets = (octets[:16], octets[16:]) if self.is_aes else (self.key, octets)
        unpadder, decryptor = PKCS7(128).unpadder(), self._cipher(iv).decryptor()
        return unpadder.update(decryptor.update(octets) + decryptor.finalize()) + unpadder.finalize()

    def _cipher(self, iv: bytes) -> Cipher[modes.CBC]:
        return Cipher((algorithms.AES if self.is_aes else algorithms.SM4)(self.key), modes.CBC(iv))


def _sm2_decrypted(octets: bytes, secret: int) -> bytes:
    """Decrypt at most 32 octets, `04 x y` before the hash before the ciphertext (GB/T 32918.4)."""
    numbers = [int.from_bytes(octets[start : start + 32], "big") for start in (1, 33)]
    if octets[0] != 4:
        raise NotAccepted("no point before the ciphertext")
    x, y = (number.to_bytes(32, "big") for number in _multiplied(secret, (numbers[0], numbers[1])))
    hashed, hidden = octets[65:97], octets[97:]
    plain = bytes(a ^ b for a, b in zip(hidden, sm2.sm3(x + y + u4(1)), strict=False))
    if sm2.sm3(x + plain + y) != hashed:
        raise NotAccepted("the hash of the ciphertext is wrong")
    return plain


def _multiplied(scalar: int, point: tuple[int, int]) -> tuple[int, int]:
    product = None
    for bit in f"{scalar:b}":
        product = None if product is None else _added(product, product)
        if bit == "1":
            product = point if product is None else _added(product, point)
    assert product is not None
    return product


def _added(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Add two points of the SM2 curve, whose `a` is -3. They are never each other's negatives here."""
    if one == other:
        slope = (3 * one[0] ** 2 - 3) * pow(2 * one[1], -1, _P)
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, _P)
    x = (slope**2 - one[0] - other[0]) % _P
    return x, (slope * (one[0] - x) - one[1]) % _P
