"""What enterprises' own nodes report to this node: the collector of `sync`, served by the registry's process."""

from sync.signing_keys import KeyUnusable, read_public


def algorithm_of(key_id: str, pem: str) -> str:
    """Read a public key and return its algorithm; raises ValueError that says what is wrong with it."""
    try:
        return read_public(key_id, pem).algorithm
    except KeyUnusable as error:
        raise ValueError(str(error)) from error
