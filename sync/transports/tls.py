"""TLS towards the collector: its certificate verified, ours shown if there is one (docking contract 9.1, 9.11)."""

import ssl
from pathlib import Path


class TlsUnusable(Exception):  # noqa: N818 - says what is wrong with the files, as its name does
    """A certificate or key file cannot be used; the message names it."""


def client_context(ca_file: Path | None, certificate_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """Make the context: TLS 1.2 or later. `ca_file` replaces the system's authorities. Raises TlsUnusable."""
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise TlsUnusable(f"the certificates in {ca_file} cannot be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate_file is not None:
        try:
            context.load_cert_chain(certificate_file, key_file, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            raise TlsUnusable(f"the certificate {certificate_file} with its key cannot be used: {error}") from error
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking on the terminal for the password of an encrypted key."""
    return ""
