"""Private key files, encrypted in each way there is: opened, or refused with the reason (handle wire 10.5)."""

import base64
import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from identifiers import sm2
from identifiers.handle_wire.keys import KeyUnusable, PasswordMissing, load_private_key, load_user_key, public_octets

PASSPHRASE = "pässword".encode("latin-1")
SALT = bytes(range(16))
RSA_KEY = rsa.generate_private_key(65_537, 2_048)
DSA_KEY = dsa.generate_private_key(1_024)  # noqa: S505 - as in old files
SM2_KEY = sm2.generate()
CURVE_KEY = ec.generate_private_key(ec.SECP256R1())

Make = Callable[[bytes], bytes]


def u4(number: int) -> bytes:
    return number.to_bytes(4, "big")


def with_length(octets: bytes) -> bytes:
    return u4(len(octets)) + octets


def encrypted(algorithm: BlockCipherAlgorithm, mode: modes.CBC | modes.ECB, octets: bytes) -> bytes:
    padder = PKCS7(algorithm.block_size).padder()
    encryptor = Cipher(algorithm, mode).encryptor()
    return encryptor.update(padder.update(octets) + padder.finalize()) + encryptor.finalize()


def classic(key: rsa.RSAPrivateKey | dsa.DSAPrivateKey) -> bytes:
    """Return a key as the classic software writes it, before encryption."""
    if isinstance(key, rsa.RSAPrivateKey):
        n = key.private_numbers()
        kind = b"RSA_PRIVCRT_KEY"
        numbers = [n.public_numbers.n, n.public_numbers.e, n.d, n.p, n.q, n.dmp1, n.dmq1, n.iqmp]
    else:
        x, parameters = key.private_numbers().x, key.parameters().parameter_numbers()
        kind, numbers = b"DSA_PRIV_KEY", [x, parameters.p, parameters.q, parameters.g]
    return with_length(kind) + b"".join(with_length(one.to_bytes(one.bit_length() // 8 + 1, "big")) for one in numbers)


def des_ecb(octets: bytes) -> bytes:
    key = hashlib.md5(PASSPHRASE, usedforsecurity=False).digest()[:8] * 3
    return u4(0) + encrypted(TripleDES(key), modes.ECB(), octets)  # noqa: S305 - as old files are


def des_cbc(octets: bytes) -> bytes:
    key = hashlib.md5(PASSPHRASE, usedforsecurity=False).digest()[:8] * 3
    return u4(2) + SALT[:8] + encrypted(TripleDES(key), modes.CBC(SALT[:8]), octets)


def derived(scheme: int, bits: int, octets: bytes) -> bytes:
    """Encrypt as schemes 3 and 4: octets beyond ASCII are characters for their key derivation."""
    key = hashlib.pbkdf2_hmac("sha1", PASSPHRASE.decode("latin-1").encode(), SALT, 10_000, bits // 8)
    algorithm = TripleDES(key) if scheme == 3 else algorithms.AES(key)
    iv = bytes(algorithm.block_size // 8)
    ciphertext = encrypted(algorithm, modes.CBC(iv), octets)
    return u4(scheme) + with_length(SALT) + u4(10_000) + u4(bits) + with_length(iv) + with_length(ciphertext)


def desede(octets: bytes) -> bytes:
    return derived(3, 192, octets)


def aes(octets: bytes) -> bytes:
    return derived(4, 128, octets)


@pytest.mark.parametrize("make", [des_ecb, des_cbc, desede, aes], ids=lambda make: make.__name__)
@pytest.mark.parametrize("key", [RSA_KEY, DSA_KEY], ids=["RSA", "DSA"])
def test_classic_files_open_with_their_passphrase_and_with_no_other(
    make: Make, key: rsa.RSAPrivateKey | dsa.DSAPrivateKey
) -> None:
    file = make(classic(key))
    assert public_octets(load_private_key(file, PASSPHRASE)) == public_octets(key)
    with pytest.raises(PasswordMissing, match="passphrase is needed"):
        load_user_key(file)
    with pytest.raises(KeyUnusable, match=r"does not open|no RSA or DSA"):
        load_user_key(file, b"another")


@pytest.mark.parametrize("make", [des_ecb, des_cbc, desede, aes], ids=lambda make: make.__name__)
def test_a_cut_classic_file_says_so(make: Make) -> None:
    file = make(classic(RSA_KEY))
    for length in (5, 12, 40, len(file) // 2, len(file) - 1):
        with pytest.raises(KeyUnusable, match="damaged"):
            load_user_key(file[:length], PASSPHRASE)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (u4(7) + bytes(64), "scheme 7"),
        (u4(4) + with_length(SALT) + u4(2_000_000) + u4(128) + with_length(SALT) + with_length(SALT), "damaged"),
        (u4(4) + with_length(SALT) + u4(1) + u4(64) + with_length(SALT) + with_length(SALT), "damaged"),
        (u4(4) + with_length(SALT) + u4(1) + u4(128) + with_length(b"short") + with_length(SALT), "damaged"),
    ],
)
def test_ways_of_encryption_that_are_not_known_or_too_costly_are_named(file: bytes, said: str) -> None:
    with pytest.raises(KeyUnusable, match=said):
        load_user_key(file, PASSPHRASE)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL], ids=["PKCS#8", "older"])
@pytest.mark.parametrize("key", [RSA_KEY, DSA_KEY, CURVE_KEY], ids=["RSA", "DSA", "P-256"])
def test_encrypted_pem_files_open_with_their_password_and_with_no_other(
    form: PrivateFormat, key: rsa.RSAPrivateKey | dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey
) -> None:
    file = key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(PASSPHRASE))
    assert public_octets(load_user_key(file, PASSPHRASE)) == public_octets(key)
    with pytest.raises(PasswordMissing):
        load_user_key(file)
    with pytest.raises(KeyUnusable, match="does not open"):
        load_user_key(file, b"another")
    with pytest.raises(KeyUnusable):
        load_user_key(file[: len(file) // 2], PASSPHRASE)


def test_a_password_for_a_key_that_is_open_is_ignored() -> None:
    assert load_user_key(SM2_KEY.to_der(), b"pw") == SM2_KEY
    assert public_octets(load_private_key(u4(1) + classic(RSA_KEY), b"pw")) == public_octets(RSA_KEY)


def element(tag: int, *contents: bytes) -> bytes:
    octets = b"".join(contents)
    size = len(octets)
    return bytes((tag,)) + (bytes((size,)) if size < 128 else b"\x82" + size.to_bytes(2, "big")) + octets


def encrypted_sm2(cipher: str, hash_name: str) -> bytes:
    """Return an SM2 key as PKCS#8 with PBES2, in DER."""
    ciphers = {
        "AES-256": ("60864801650304012a", algorithms.AES, 32),
        "SM4": ("2a811ccf55016802", algorithms.SM4, 16),
        "ARIA": ("2a831a8c9a6e010102", algorithms.AES, 16),
    }
    hashes = {"sha1": "", "sha256": "2a864886f70d0209", "sm3": "2a811ccf550183110301", "sha3_256": "608648016503040208"}
    identifier, algorithm, octets = ciphers[cipher]
    made = algorithm(hashlib.pbkdf2_hmac(hash_name, PASSPHRASE, SALT, 2_048, octets))
    numbers = [element(4, SALT), element(2, (2_048).to_bytes(2, "big"))]
    if hashes[hash_name]:
        numbers.append(element(0x30, element(6, bytes.fromhex(hashes[hash_name])), b"\5\0"))
    derivation = element(0x30, element(6, bytes.fromhex("2a864886f70d01050c")), element(0x30, *numbers))
    scheme = element(0x30, element(6, bytes.fromhex(identifier)), element(4, bytes(16)))
    algorithm_octets = element(0x30, element(6, bytes.fromhex("2a864886f70d01050d")), element(0x30, derivation, scheme))
    return element(0x30, algorithm_octets, element(4, encrypted(made, modes.CBC(bytes(16)), SM2_KEY.to_der())))


@pytest.mark.parametrize(("cipher", "hash_name"), [("AES-256", "sha256"), ("AES-256", "sha1"), ("SM4", "sm3")])
def test_encrypted_sm2_keys_open(cipher: str, hash_name: str) -> None:
    file = encrypted_sm2(cipher, hash_name)
    pem = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + base64.encodebytes(file) + b"-----END ENCRYPTED PRIVATE KEY-----"
    assert load_user_key(file, PASSPHRASE) == load_user_key(pem, PASSPHRASE) == SM2_KEY
    for octets, password, said in (
        (pem, b"another", "does not open"),
        (pem, None, "passphrase is needed"),
        (file[:-40], PASSPHRASE, "cut|no private key"),
    ):
        with pytest.raises(KeyUnusable, match=said):
            load_user_key(octets, password)


@pytest.mark.parametrize(("cipher", "hash_name"), [("ARIA", "sha256"), ("AES-256", "sha3_256")])
def test_an_sm2_key_under_another_cipher_or_hash_says_so(cipher: str, hash_name: str) -> None:
    with pytest.raises(KeyUnusable, match="not known here"):
        load_user_key(encrypted_sm2(cipher, hash_name), PASSPHRASE)
