"""Certificates of our own making, for servers and clients of tests."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

BEGUN = datetime(2020, 1, 1, tzinfo=UTC)


def new_key(bits: int = 2_048) -> rsa.RSAPrivateKey:
    """Return a private key."""
    return rsa.generate_private_key(65_537, bits)


def key_pem(key: rsa.RSAPrivateKey) -> bytes:
    """Return a private key as PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate_pem(key: rsa.RSAPrivateKey, name: str, *, as_uid: bool = False, expired: bool = False) -> bytes:
    """Return a certificate for a key, signed with it; for the loopback if `name` is `localhost`."""
    subject = x509.Name([x509.NameAttribute(NameOID.USER_ID if as_uid else NameOID.COMMON_NAME, name)])
    end = BEGUN + timedelta(days=1) if expired else datetime.now(UTC) + timedelta(days=30)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGUN)
        .not_valid_after(end)
    )
    if name == "localhost":
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name), address]), critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def write_pair(directory: Path, key: rsa.RSAPrivateKey, certificate: bytes, name: str) -> tuple[Path, Path]:
    """Write certificate and key; return their paths."""
    paths = directory / f"{name}.crt", directory / f"{name}.key"
    paths[0].write_bytes(certificate)
    paths[1].write_bytes(key_pem(key))
    return paths
