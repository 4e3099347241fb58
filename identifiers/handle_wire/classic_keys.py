"""Private key files of the classic software: RSA and DSA, in the clear or under a passphrase (handle wire 10.5).

What decides about the files in the field is how that software writes them: its numbers follow the name of the kind at
once. Others put the two octets of public keys in between; a number of no octets does not occur, so both can be read.
"""

from typing import Final

from cryptography.hazmat.primitives.asymmetric import dsa, rsa

from identifiers.handle_wire.classic_ciphers import IN_THE_CLEAR, SCHEMES, PassphraseWrong, opened
from identifiers.octets import OctetReader, WireError

_SCHEME_OCTETS: Final = 4
_NUMBERS: Final = {"RSA_PRIVCRT_KEY": 8, "DSA_PRIV_KEY": 4}


def is_classic_file(octets: bytes) -> bool:
    """Say whether octets begin as such a file does: with the number of a scheme."""
    return len(octets) > _SCHEME_OCTETS and octets[:3] == bytes(3) and octets[3] in SCHEMES


def read_classic_key(octets: bytes, passphrase: bytes | None = None) -> rsa.RSAPrivateKey | dsa.DSAPrivateKey:
    """Return the key; raise ValueError, whose text says what was wrong, for a file that holds none or stays closed.

    Of these, PassphraseMissing and PassphraseWrong.
    """
    try:
        plain = opened(octets, passphrase)
    except WireError:
        raise ValueError("this file of the classic software is damaged, or cut") from None
    try:
        return _key(OctetReader(plain))
    except WireError:
        if octets[3] == IN_THE_CLEAR:
            raise ValueError("this file of the classic software is damaged, or cut") from None
        # One wrong passphrase in 256 opens something that looks decrypted.
        raise PassphraseWrong("this passphrase does not open the file, or the file is damaged") from None


def _key(reader: OctetReader) -> rsa.RSAPrivateKey | dsa.DSAPrivateKey:
    kind = reader.text()
    if kind not in _NUMBERS:
        raise ValueError("this is no RSA or DSA key of the classic software: convert other keys to PKCS#8")
    if OctetReader(reader.all, reader.offset).u4() == 0:
        reader.u2()
    numbers = [int.from_bytes(reader.octets(), "big") for _ in range(_NUMBERS[kind])]
    if kind == "DSA_PRIV_KEY":
        return _dsa_key(*numbers)
    n, e, d, p, q, dp, dq, qi = numbers
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, rsa.RSAPublicNumbers(e, n)).private_key()


def _dsa_key(x: int, p: int, q: int, g: int) -> dsa.DSAPrivateKey:
    if not 0 < x < q < p:
        raise ValueError("the numbers of this DSA key do not belong together")
    public = dsa.DSAPublicNumbers(pow(g, x, p), dsa.DSAParameterNumbers(p, q, g))
    return dsa.DSAPrivateNumbers(x, public).private_key()
