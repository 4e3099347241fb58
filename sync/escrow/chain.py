"""Which deposits a node is rebuilt from: one FULL and every DIFF after it, none missing (docking contract 7.4)."""

from collections.abc import Sequence

from sync.escrow.errors import VerificationFailed
from sync.escrow.opening import Deposit


def in_order(deposits: Sequence[Deposit]) -> list[Deposit]:
    """Return the newest FULL deposit and the DIFFs that follow it, in order; older ones are left aside.

    Raises VerificationFailed for no FULL one, several prefixes, a DIFF whose predecessor is not among them or is
    younger, and two that go on from the same one.
    """
    by_id = {one.manifest.id: one for one in deposits}
    found = sorted(by_id.values(), key=lambda one: (one.watermark, one.manifest.id))
    if prefixes := {one.manifest.prefix for one in found} - {found[0].manifest.prefix}:
        raise VerificationFailed(
            f"the deposits are of several prefixes, {', '.join(sorted(prefixes | {found[0].manifest.prefix}))}: each "
            "holds the whole registry, so give those of one"
        )
    fulls = [one for one in found if one.manifest.type == "FULL"]
    if not fulls:
        raise VerificationFailed("there is no FULL deposit among these: a restoration begins with one")
    chain = [fulls[-1]]
    following: dict[str | None, Deposit] = {}
    for one in found:
        if one.manifest.type == "DIFF" and (other := following.setdefault(one.manifest.prev_id, one)) is not one:
            raise VerificationFailed(
                f"{one.manifest.id} and {other.manifest.id} both go on from {one.manifest.prev_id}: take away the one "
                "that was not accepted"
            )
    while chain[-1].manifest.id in following:
        one = following.pop(chain[-1].manifest.id)
        if one.watermark < chain[-1].watermark:
            raise VerificationFailed(
                f"{one.manifest.id} is older than {chain[-1].manifest.id}, from which it goes on: have a FULL one made"
            )
        chain.append(one)
    for one in following.values():
        if one.watermark >= chain[0].watermark and one not in chain:
            raise VerificationFailed(
                f"{one.manifest.id} goes on from {one.manifest.prev_id}, which is missing: give every deposit since "
                f"the FULL one, {chain[0].manifest.id}"
            )
    return chain
