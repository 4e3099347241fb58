"""What an answer of the collector comes to, whichever way it came (docking contract 9.7)."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from sync.answers import decide
from sync.batch import Pending, ProvedReceipt, Receipt
from sync.transport import ErrorKind, TransportError
from sync.transports.http_answer import Answer, as_error

T = TypeVar("T")

POLL_S_DEFAULT: Final = 5.0
HTTP_OK: Final = 200

# After the body went uncompressed, a second 415 can only be answered by a person: "send_plain" is not here.
_KINDS: Final[Mapping[str, ErrorKind]] = {
    "retry": "retry",
    "dependency": "dependency",
    "pause_link": "pause_link",
    "halt_stream": "halt_stream",
    "split": "split",
    "reconcile": "reconcile",
    "rebuild": "rebuild",
}


def verdict(answer: Answer, batch_id: UUID) -> Receipt | Pending:
    """Return what the answer says of a batch; raises TransportError for anything but a receipt or a "later"."""
    action = decide(answer.status, answer.code)
    if action == "poll_receipt":
        return Pending(POLL_S_DEFAULT if answer.retry_after_s is None else answer.retry_after_s)
    if action != "store_receipt":
        raise as_error(answer, _KINDS.get(action, "halt_stream"))
    receipt = decoded(answer, Receipt)
    if receipt.batch_id != batch_id:
        raise TransportError(f"receipt of another batch, {receipt.batch_id}", kind="halt_stream")
    if answer.proof is None:
        return receipt
    told: dict[str, Any] = {name: getattr(receipt, name) for name in receipt.__struct_fields__}
    return ProvedReceipt(**told, proof=answer.proof)


def decoded(answer: Answer, kind: type[T]) -> T:
    """Return the answer's content as `kind`; raises TransportError for any other answer."""
    if answer.status != HTTP_OK:
        raise refused(answer)
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.DecodeError as error:
        # Not a collector of this profile, or a damaged answer: either way nothing is known of the batch.
        raise TransportError(f"unreadable answer: {error}", kind="retry") from error


def refused(answer: Answer) -> TransportError:
    """Return the error of an answer to anything but a batch."""
    return as_error(answer, _KINDS.get(decide(answer.status, answer.code), "pause_link"))
