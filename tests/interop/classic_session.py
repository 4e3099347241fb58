"""Sessions, MACs, signatures and keys as the classic Java client makes and checks them."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.padding import PKCS7

from tests.interop.classic_octets import Answer, NotAccepted, Reader, text, u4

PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
    16,
)
PRIME_OCTETS, KEY_OCTETS = 128, 32
_SIGNED: dict[bytes, HashAlgorithm] = {b"SHA-256": SHA256(), b"SHA256": SHA256(), b"SHA1": SHA1(), b"SHA-1": SHA1()}  # noqa: S303 - what older servers sign with


@dataclass(frozen=True)
class SecretUser:
    """Proves to know an HS_SECKEY."""

    handle: str
    index: int
    secret: bytes

    type = "HS_SECKEY"

    def proof(self, octets: bytes) -> bytes:
        salt = secrets.token_bytes(16)
        as_java = self.secret.decode("latin-1").encode()
        derived = hashlib.pbkdf2_hmac("sha1", as_java, salt, 10_000, 20)
        return b"\x22" + text(salt) + u4(10_000) + u4(160) + text(hmac.digest(derived, octets, "sha1"))


@dataclass(frozen=True)
class KeyUser:
    """Proves to have the private key of an HS_PUBKEY."""

    handle: str
    index: int
    key: rsa.RSAPrivateKey

    type = "HS_PUBKEY"

    def proof(self, octets: bytes) -> bytes:
        return text("SHA-256") + text(self.key.sign(octets, padding.PKCS1v15(), SHA256()))


User = SecretUser | KeyUser


@dataclass
class Session:
    id: int
    key: bytes
    version: tuple[int, int]
    encrypts: bool = False
    certifies: bool = False
    identity: tuple[str, int] | None = None
    counter: int = 1
    seen: set[int] = field(default_factory=set)

    def next_counter(self) -> int:
        self.counter += 1
        return self.counter - 1

    def sealed(self, plain: bytes, iv: bytes) -> bytes:
        padder = PKCS7(128).padder()
        cipher = Cipher(algorithms.AES(self.key[:16]), modes.CBC(iv)).encryptor()
        return iv + cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()

    def opened(self, octets: bytes) -> bytes:
        cipher = Cipher(algorithms.AES(self.key[:16]), modes.CBC(octets[:16])).decryptor()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(cipher.update(octets[16:]) + cipher.finalize()) + unpadder.finalize()


def covered(envelope: bytes, counter: int, content: bytes) -> bytes:
    """Return what MACs and signatures of version 2.8 and later cover."""
    suggested = bytes((envelope[2] & 0x1F, envelope[3]))
    return envelope[:2] + suggested + envelope[4:12] + u4(counter) + content


def mac_credential(envelope: bytes, content: bytes, session: Session) -> bytes:
    counter = session.next_counter()
    mac = hmac.digest(session.key, covered(envelope, counter, content), "sha256")
    section = text("HMAC-SHA256") + text(mac)
    return bytes(4) + text("") + u4(counter) + text("HS_MAC") + text(section)


def check_credential(answer: Answer, session: Session | None, key: bytes) -> None:
    """Check the MAC or the signature of an answer that was asked for certified."""
    reader = Reader(answer.credential)
    if not answer.credential:
        raise NotAccepted("missing signature")
    reader.take(4), reader.text()
    counter, type_ = reader.u4(), reader.text()
    reader.u4()
    algorithm, proof = reader.text(), reader.text()
    octets = covered(answer.envelope, counter, answer.content)
    if type_ == b"HS_MAC":
        if answer.session_id <= 0 or session is None or algorithm != b"HMAC-SHA256":
            raise NotAccepted("a MAC without a session")
        if not hmac.compare_digest(proof, hmac.digest(session.key, octets, "sha256")):
            raise NotAccepted("the MAC is wrong")
        if counter in session.seen:
            raise NotAccepted("a counter that was used before")
        session.seen.add(counter)
        return
    if type_ != b"HS_SIGNED":
        raise NotAccepted(f"signed as {type_!r}")
    public_key(key).verify(proof, octets, padding.PKCS1v15(), _SIGNED[algorithm])


def public_key(octets: bytes) -> rsa.RSAPublicKey:
    """Read `RSA_PUB_KEY`, exponent and modulus, as a site record has it."""
    reader = Reader(octets)
    if reader.text() != b"RSA_PUB_KEY" or reader.u2():
        raise NotAccepted("another kind of key")
    exponent, modulus = (int.from_bytes(reader.text(), "big") for _ in range(2))
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def public_key_octets(key: rsa.RSAPublicKey) -> bytes:
    """Write a key as the client does; it compares these octets with those of a site record."""
    numbers = key.public_numbers()
    written = [number.to_bytes(number.bit_length() // 8 + 1, "big") for number in (numbers.e, numbers.n)]
    return text("RSA_PUB_KEY") + bytes(2) + text(written[0]) + text(written[1]) + bytes(4)


def dh_key(y: int) -> bytes:
    """Write a number for the group of the client, with the group."""
    numbers = [number.to_bytes(number.bit_length() // 8 + 1, "big") for number in (y, PRIME, 2)]
    return text("DH_PUB_KEY") + bytes(2) + b"".join(map(text, numbers))


def agreed_key(offer: bytes, private: int) -> bytes:
    """Return the key that an answer to a session's set-up leads to."""
    reader = Reader(offer)
    mode, data = reader.u2(), Reader(reader.text())
    algorithm, kind, _flags = data.u4(), data.text(), data.u2()
    y, p, g = (int.from_bytes(data.text(), "big") for _ in range(3))
    if (mode, algorithm, kind, p, g) != (4, 3, b"DH_PUB_KEY", PRIME, 2):
        raise NotAccepted("another key exchange")
    shared = pow(y, private, PRIME).to_bytes(PRIME_OCTETS, "big")
    while len(shared) > KEY_OCTETS and not shared[0]:
        shared = shared[1:]
    return shared[:KEY_OCTETS]
