"""A node on which nobody can authenticate as a user of the Handle system."""

from identifiers.values import Reference
from resolver.faces import handle_answer as form
from resolver.faces.desk import Desk
from resolver.faces.handle_api.door import Door, ProofRefused


class _Nobody:
    """Refuses every proof."""

    async def prove(self, *_: object, **__: object) -> Reference:
        """Refuse."""
        raise ProofRefused(form.AUTHENTICATION_FAILED, "Nobody can be authenticated here")

    basic = certificate = prove

    async def may_read(self, *_: object, **__: object) -> bool:
        """Nobody."""
        return False


def closed_door(desk: Desk) -> Door:
    """Return the door of such a node."""
    return Door(desk, _Nobody(), None)
