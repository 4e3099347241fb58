"""What Handle servers answer instead of what was asked for, in words (handle wire 7)."""

from typing import Final

from node.client.errors import ClientError
from node.client.problems import MESSAGE_CHARS_MAX, printable

_WORDS: Final = {
    2: "the server failed",
    3: "the server is too busy; try again later",
    4: "the server did not understand the request",
    5: "the server does not do this",
    6: "too many servers asked one another",
    7: "the server takes no changes now",
    100: "there is no such identifier",
    101: "the identifier exists already; --overwrite replaces it",
    102: "not a valid identifier",
    200: "there are no such values",
    201: "a value with this index exists already; --overwrite replaces it",
    202: "a value may not be stored",
    301: "the prefix is not served there",
    302: "another server is responsible; --recursive finds it",
    303: "another server is responsible; --recursive finds it",
    400: "this user may not do that",
    401: "the permissions of a value forbid it",
    402: "the server wants to know who asks; name a key with --auth and --key-file or --secret-file",
    403: "the server does not accept the key",
    404: "the server does not accept this kind of key",
    405: "the proof came too late; run the command again",
    406: "the server does not accept this kind of proof",
    500: "the session has ended; run the command again",
    501: "the server makes no session",
    502: "the server does not know the key of the session",
    505: "the server took the message for a repeated one",
}


class HandleRefusedError(ClientError):
    """A Handle server answered, and its answer is no. ``rc`` is its response code."""

    exit_code = 4

    def __init__(self, rc: int, text: str = "", *, about: str = "") -> None:
        said = _WORDS.get(rc, f"response code {rc}") + (f" ({text})" if text else "") + f" [{rc}]"
        super().__init__(printable((f"{about}: " if about else "") + said)[:MESSAGE_CHARS_MAX])
        self.rc = rc


class UntrustedError(ClientError):
    """An answer came that cannot be read or must not be believed: not of the server that was meant, or of none."""

    exit_code = 4
