"""SM2 of messages that are read in blocks is what SM2 of whole messages is."""

from collections.abc import Iterator

import pytest

from identifiers import sm2

KEY = sm2.generate()
BLOCK = sm2.BLOCK_OCTETS


def blocks(data: bytes) -> Iterator[bytes]:
    return (data[at : at + BLOCK] for at in range(0, len(data), BLOCK))


def sealed(data: bytes) -> bytes:
    return b"".join(sm2.encrypt_long(lambda: blocks(data), len(data), KEY.public))


@pytest.mark.parametrize("octets", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_what_is_encrypted_in_blocks_is_decrypted_whole_and_in_blocks(octets: int) -> None:
    data = bytes(number % 251 for number in range(octets))
    ciphertext = sealed(data)
    assert sm2.decrypt(ciphertext, KEY) == data
    head, rest = ciphertext[:97], ciphertext[97:]
    assert b"".join(sm2.decrypt_long(head, blocks(rest), len(rest), KEY)) == data


@pytest.mark.parametrize("place", [0, 1, 70, 97, -1])
def test_a_changed_octet_is_told_at_the_end(place: int) -> None:
    ciphertext = bytearray(sealed(b"message" * 20_000))
    ciphertext[place] ^= 1
    with pytest.raises(sm2.SM2Error, match="was not made for this key"):
        for _ in sm2.decrypt_long(bytes(ciphertext[:97]), blocks(bytes(ciphertext[97:])), len(ciphertext) - 97, KEY):
            pass


def test_there_is_nothing_to_encrypt_in_an_empty_message() -> None:
    with pytest.raises(sm2.SM2Error):
        next(sm2.encrypt_long(lambda: blocks(b""), 0, KEY.public))


def test_a_signature_of_pieces_is_one_of_the_whole() -> None:
    hashed = sm2.signature_hash(KEY.public)
    hashed.update(b"one ")
    hashed.update(b"two")
    signature = sm2.sign_hash(hashed.digest(), KEY)
    assert sm2.verify(b"one two", signature, KEY.public)
    assert sm2.verify_hash(hashed.digest(), sm2.sign(b"one two", KEY), KEY.public)
    assert not sm2.verify_hash(hashed.digest(), sm2.sign(b"one twO", KEY), KEY.public)
