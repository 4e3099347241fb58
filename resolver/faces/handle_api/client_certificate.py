"""The certificate a client showed in the TLS handshake: whom it names, and with which key (Handle over HTTP, 7.3)."""

from dataclasses import dataclass
from typing import Any

from aiohttp.web import BaseRequest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import NameOID

from identifiers.values import Reference
from resolver.faces.handle_api.authorization import BadAuthorization, identity


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """An identity, and the key that has to be one of its public keys."""

    user: Reference
    public_key: PublicKeyTypes


def client_certificate(request: BaseRequest) -> ClientCertificate | None:
    """Return the certificate of a request's connection, None without one. Raises BadAuthorization.

    Issuer and validity do not matter: what counts is that the key is the one the identity's record has.
    """
    encoded = certificate_octets(request)
    if encoded is None:
        return None
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        names = _texts(certificate, NameOID.USER_ID) or _texts(certificate, NameOID.COMMON_NAME)
        public_key = certificate.public_key()
    except Exception as error:
        # The library has many exceptions for certificates it cannot read; all mean the same here.
        raise BadAuthorization("The client certificate cannot be read") from error
    if not names:
        raise BadAuthorization("The client certificate names nobody: its UID or CN is index:handle")
    return ClientCertificate(identity(names[0]), public_key)


def certificate_octets(request: BaseRequest) -> bytes | None:
    """Return the certificate as DER."""
    connection: Any = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
    return None if connection is None else connection.getpeercert(True) or None  # noqa: FBT003 - the library's own positional flag


def _texts(certificate: x509.Certificate, name: x509.ObjectIdentifier) -> list[str]:
    found = certificate.subject.get_attributes_for_oid(name)
    return [attribute.value for attribute in found if isinstance(attribute.value, str) and attribute.value]
