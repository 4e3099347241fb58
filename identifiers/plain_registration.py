"""A single registration as a worker hands it to the registry, where nothing about it is unusual.

Both sides are this node's own: these shapes never leave the host.
"""

import msgspec


class PlainRegistration(msgspec.Struct, frozen=True, gc=False, tag="plain_registration"):
    """A `PUT` of one identifier with a token and without any condition.

    `number` is the worker's own, to tell answers apart. `target` is as it was sent; `address` is the client's.
    """

    number: int
    target: str
    token: str
    address: str
    body: bytes


class PlainAnswer(msgspec.Struct, frozen=True, gc=False, tag="plain_answer"):
    """The whole HTTP answer to a registration that was carried out; None where nothing was, and the API decides."""

    number: int
    octets: bytes | None
