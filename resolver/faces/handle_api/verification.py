"""`GET /api/verifications/{index:handle}`: whether a proof of knowing a secret key kept here is right (5).

Who asks need not say who they are; what they learn is what they could find out by authenticating.
"""

from dataclasses import replace

import orjson
from aiohttp.web import BaseRequest, Response

from identifiers.identifier import Invalid
from identifiers.values import Reference
from resolver.faces import handle_answer as form
from resolver.faces.desk import Desk
from resolver.faces.handle_api.authorization import (
    BadAuthorization,
    Proof,
    folded_algorithm,
    identity,
    number_of,
    octets_of,
)
from resolver.faces.handle_api.door import PROOF_UNUSABLE, Asker, Door, ProofRefused
from resolver.faces.handle_api.wire_proof import SECRET, UnknownAlgorithm, wire_proof
from resolver.faces.handle_reply import NOT_SERVED, ApiRefused, bad_request, decoded_name, json_reply, query_of
from resolver.faces.request_target import Parameters, Target
from resolver.lookup import Absent, Gone, Referral

NONCE_OCTETS_MAX = 64
_NEEDED = ("nonce", "cnonce", "alg", "signature")


class Verification:
    """Serves the one path. `Referer` and logs never see its parameters from us."""

    def __init__(self, desk: Desk, door: Door) -> None:
        self._desk = desk
        self._door = door

    async def verify(self, request: BaseRequest, target: Target, rest: str, asker: Asker) -> Response:
        """Answer GET."""
        named = _named(rest)
        parameters = query_of(target, named.handle)
        user = _with_index(named, parameters)
        try:
            proof, nonce = _proof(user, parameters)
            octets = wire_proof(proof)
        except (BadAuthorization, UnknownAlgorithm) as error:
            raise bad_request(str(error), user.handle) from error
        self._check_here(user)
        body = {"responseCode": form.SUCCESS, "isValid": await self._is_valid(proof, octets, nonce, asker)}
        return await json_reply(request, 200, orjson.dumps(body | {"handle": user.handle}))

    async def _is_valid(self, proof: Proof, octets: bytes, nonce: bytes, asker: Asker) -> bool:
        user = proof.user
        try:
            await self._door.prove(user, SECRET, octets, nonce, proof.cnonce, asker.client.address)
        except ProofRefused as error:
            if error.code in (form.TRY_AGAIN, 2, 7):
                raise ApiRefused(form.status_of(error.code), error.code, str(error), user.handle) from error
            if error.code == PROOF_UNUSABLE:
                raise bad_request(str(error), user.handle) from error
            return False
        return True

    def _check_here(self, user: Reference) -> None:
        found = self._desk.find(user.handle)
        if isinstance(found, Invalid):
            raise ApiRefused(400, form.INVALID_HANDLE, found.message, user.handle)
        is_unhomed = isinstance(found, Gone) and found.record is None
        if is_unhomed or isinstance(found, Referral) or (isinstance(found, Absent) and found.prefix is None):
            raise ApiRefused(400, form.NOT_RESPONSIBLE, NOT_SERVED, user.handle)


def _named(rest: str) -> Reference:
    name = decoded_name(rest.removeprefix("/"))
    try:
        return identity(name)
    except BadAuthorization as error:
        raise bad_request(str(error), name) from error


def _with_index(named: Reference, parameters: Parameters) -> Reference:
    """Return the identity with its index, which stands in the path or in a parameter, and in one of them only."""
    given = parameters.all("index")
    if len(given) + (named.index != 0) != 1:
        raise bad_request("Give one index: /api/verifications/300:88.118.8/ADMIN", named.handle)
    if not given:
        return named
    try:
        return Reference(named.handle, number_of(given[0], "index"))
    except BadAuthorization as error:
        raise bad_request(str(error), named.handle) from error


def _proof(user: Reference, parameters: Parameters) -> tuple[Proof, bytes]:
    """Return the proof, and the nonce it is over. Raises BadAuthorization."""
    named = ((name, parameters.first(name)) for name in (*_NEEDED, "salt", "iterations", "length"))
    # Base64 has no blanks: one is a plus sign that a client did not encode.
    given = {name: text.replace(" ", "+") for name, text in named if text}
    if missing := [name for name in _NEEDED if name not in given]:
        raise BadAuthorization(f"The parameter {missing[0]} is missing")
    nonce, cnonce = octets_of(given["nonce"], "nonce"), octets_of(given["cnonce"], "cnonce")
    if len(nonce) > NONCE_OCTETS_MAX or len(cnonce) > NONCE_OCTETS_MAX:
        raise BadAuthorization(f"nonce and cnonce have at most {NONCE_OCTETS_MAX} octets")
    proof = Proof(user, SECRET, cnonce, folded_algorithm(given["alg"]), octets_of(given["signature"], "signature"))
    salt = octets_of(given.get("salt", ""), "salt")
    iterations = number_of(given.get("iterations", "0"), "iterations")
    length = number_of(given.get("length", "0"), "length")
    return replace(proof, salt=salt, iterations=iterations, length=length), nonce
