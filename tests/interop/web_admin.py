"""The administration page that comes with the classic servers: what its script asks, and what its browser insists on.

Before whatever is not plain the browser asks whether it may, and no script sees an answer that is not open to all.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from secrets import token_bytes
from typing import Any, Final

import requests
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from tests.interop.classic_octets import NotAccepted

ORIGIN: Final = "https://admin.example.org"
JSON: Final = "application/json; charset=utf-8"


class WebAdmin:
    """The script in its browser. `proof` is a secret, or a private key."""

    def __init__(self, url: str, trusted: str, user: str, proof: bytes | rsa.RSAPrivateKey) -> None:
        self.url, self.user, self.proof = url, user, proof
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = trusted
        self.http.headers.update({"Origin": ORIGIN, "Accept": "application/json, text/javascript, */*; q=0.01"})
        self.proved = self.known = ""

    def ask(self, method: str, path: str, said: str = "", body: Any = None, *, typed: bool = False) -> Any:
        """Ask, having asked whether that is allowed; returns the answer's JSON, None where nothing is in it."""
        headers = {"Authorization": said} if said else {}
        if typed or body is not None:
            headers["Content-Type"] = JSON
        if headers or method not in ("GET", "POST"):
            self._ask_leave(method, path, headers)
        sent = None if body is None else json.dumps(body)
        answer = self.http.request(method, self.url + path, headers=headers, data=sent, timeout=10)
        _check_open(answer)
        if not answer.ok:
            raise NotAccepted(answer.status_code, answer.json().get("message"))
        return answer.json() if answer.status_code != 204 else None

    def _ask_leave(self, method: str, path: str, headers: dict[str, str]) -> None:
        names = sorted(name.lower() for name in headers)
        asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": ",".join(names)}
        answer = self.http.options(self.url + path, headers=asked, timeout=10)
        _check_open(answer)
        allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
        methods = {name.strip() for name in answer.headers["Access-Control-Allow-Methods"].split(",")}
        if not answer.ok or method not in methods or not allowed.issuperset(names):
            raise NotAccepted(f"the browser may not {method} {path} with {names}")

    def log_in(self, site: dict[str, Any]) -> None:
        """Begin a session, check the server's signature with the key of the site record, and prove who asks."""
        cnonce = token_bytes(16)
        begun = self.ask("POST", "/api/sessions", f'Handle version="0", cnonce="{b64encode(cnonce).decode()}"')
        octets = b64decode(begun["nonce"]) + cnonce
        _check_signature(begun, octets, site["servers"][0]["publicKey"]["value"])
        if isinstance(self.proof, bytes):
            type_, signature = "HS_SECKEY", hashlib.sha1(self.proof + octets + self.proof).digest()  # noqa: S324 - its only one
        else:
            type_, signature = "HS_PUBKEY", self.proof.sign(octets, padding.PKCS1v15(), SHA1())  # noqa: S303 - its only one
        self.known = f'Handle version="0", sessionId="{begun["sessionId"]}"'
        fields = (
            f'cnonce="{b64encode(cnonce).decode()}", id="{self.user}", type="{type_}", '
            f'alg="SHA1", signature="{b64encode(signature).decode()}"'
        )
        self.proved = f"{self.known}, {fields}"
        answer = self.ask("POST", "/api/sessions/this", self.proved)
        if answer["authenticated"] is not True or answer["id"] != self.user:
            raise NotAccepted("logged in as somebody else")


def _check_open(answer: requests.Response) -> None:
    if answer.headers.get("Access-Control-Allow-Origin") not in ("*", ORIGIN):
        raise NotAccepted(f"the script does not see an answer {answer.status_code}")


def _check_signature(begun: dict[str, Any], octets: bytes, key: dict[str, str]) -> None:
    if key["kty"] != "RSA":
        raise NotAccepted("a key of an unknown kind")
    e, n = (int.from_bytes(b64decode(key[name] + "==", "-_"), "big") for name in ("e", "n"))
    algorithm = SHA256() if begun["serverAlg"] in ("SHA-256", "SHA256") else SHA1()  # noqa: S303 - what it takes others for
    signature = b64decode(begun["serverSignature"])
    rsa.RSAPublicNumbers(e, n).public_key().verify(signature, octets, padding.PKCS1v15(), algorithm)
