"""What is told of an identifier that changed several times in one period (docking contract 4.9, "collapsing")."""

from collections.abc import Sequence

from sync.tables.table import Draft, Operation, Reported, Standing


def collapse(changes: Sequence[Reported], standing: Standing) -> tuple[Draft, ...]:
    """Return the rows for one key's changes, oldest first, at least one.

    | standing before | changes               | rows                                                 |
    |-----------------|-----------------------|------------------------------------------------------|
    | absent          | create, any changes   | add, latest state                                    |
    | absent          | create … delete       | add with the last state before the deletion; delete  |
    | absent          | delete alone          | none                                                 |
    | present         | changes               | modify, latest state                                 |
    | present         | changes … delete      | delete                                               |
    | present         | delete … create again | delete; add with the latest state                    |
    | unsure          | –                     | as present, but add in place of modify               |

    Unsure is what is left when the collector refused an addition and later rows were queued already. An addition of
    a key that is held is stored like a modification, and a delete of one that is not held is refused without
    consequence, so both are safe in either case.
    """
    if standing is Standing.ABSENT:
        return _of_absent(changes)
    last = changes[-1]
    deletion = next((change for change in reversed(changes) if change.op == "withdraw"), None)
    if deletion is last:
        return (Draft(Operation.DELETE, last),)
    if deletion is not None:
        return (Draft(Operation.DELETE, deletion), Draft(Operation.ADD, last))
    return (Draft(Operation.MODIFY if standing is Standing.PRESENT else Operation.ADD, last),)


def _of_absent(changes: Sequence[Reported]) -> tuple[Draft, ...]:
    last = changes[-1]
    if last.op != "withdraw":
        return (Draft(Operation.ADD, last),)
    lived = next((change for change in reversed(changes) if change.op != "withdraw"), None)
    return (Draft(Operation.ADD, lived), Draft(Operation.DELETE, last)) if lived else ()
