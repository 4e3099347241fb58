"""The verification of proofs that all faces of a worker share, as the HTTP face asks for it."""

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from identifiers.handle_wire.answers import Challenge
from identifiers.handle_wire.codes import SHA256
from identifiers.handle_wire.digests import Digest
from identifiers.octets import WireError
from identifiers.values import Reference
from resolver.faces.handle_api.door import PROOF_UNUSABLE, ProofRefused
from resolver.handle.auth.proofs import Proofs
from resolver.handle.auth.rights import Rights
from resolver.handle.exchange import Refused
from resolver.record import Record


class HandleProver:
    """Asks the shared verification, and turns its refusals into this face's."""

    def __init__(self, proofs: Proofs, rights: Rights) -> None:
        self._proofs = proofs
        self._rights = rights

    async def prove(
        self, user: Reference, type_: str, proof: bytes, nonce: bytes, cnonce: bytes, address: str
    ) -> Reference:
        """Verify a proof over nonce and cnonce: the latter stands where messages have their digest. See `Prover`."""
        challenge = Challenge(Digest(SHA256, cnonce), nonce)
        try:
            return await self._proofs.check(user, type_, proof, challenge, address=address)
        except Refused as error:
            raise ProofRefused(error.rc, error.text) from error
        except WireError as error:
            raise ProofRefused(PROOF_UNUSABLE, "The proof cannot be used: its algorithm or parameters") from error

    async def basic(self, user: Reference, secret: bytes, address: str) -> Reference:
        """As `Prover`."""
        try:
            return await self._proofs.check_password(user, secret, address=address)
        except Refused as error:
            raise ProofRefused(error.rc, error.text) from error

    async def certificate(self, user: Reference, public_key: PublicKeyTypes, address: str) -> Reference:
        """As `Prover`."""
        try:
            return await self._proofs.check_certificate(user, public_key, address=address)
        except Refused as error:
            raise ProofRefused(error.rc, error.text) from error

    async def may_read(self, user: Reference, record: Record) -> bool:
        """As `Prover`."""
        return await self._rights.may_read(user, record.spelling, record.values())
