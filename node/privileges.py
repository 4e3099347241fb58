"""Which user a PostgreSQL server runs as: PostgreSQL refuses root, so root hands its files to an ordinary user.

The server keeps the capability to pass closed directories (`/root` is 0700), where the kernel lets it, and is told to
stop when the process that started it dies.
"""

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from node.errors import DatabaseError

_CAP_DAC_OVERRIDE_BIT = 1
_ORDINARY_USER = "nobody"


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user and group ids that own a cluster, and the words before a command that make it run as them.

    `passes_closed_directories`: it can work in a directory that only we may enter.
    """

    uid: int
    gid: int
    command_prefix: tuple[str, ...]
    passes_closed_directories: bool


def server_user() -> ServerUser:
    """Choose the user for PostgreSQL: our own, or an ordinary one when we are root.

    Raises `DatabaseError` when root has no `setpriv` to step down with, or our user has no name.
    """
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0:
        _check_has_name(os.geteuid())
        prefix: tuple[str, ...] = (setpriv, "--pdeathsig", "INT", "--") if setpriv else ()
        return ServerUser(os.geteuid(), os.getegid(), prefix, passes_closed_directories=True)
    if setpriv is None:
        raise DatabaseError(
            "PostgreSQL does not run as root and `setpriv` is not here to step down with: "
            "run as an ordinary user, install util-linux, or name a PostgreSQL with --database"
        )
    ordinary = pwd.getpwnam(_ORDINARY_USER)
    drop = [setpriv, f"--reuid={ordinary.pw_uid}", f"--regid={ordinary.pw_gid}", "--clear-groups"]
    overrides = _may_override_access()
    if overrides:
        drop += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    prefix = (*drop, "--pdeathsig", "INT", "--")
    return ServerUser(ordinary.pw_uid, ordinary.pw_gid, prefix, passes_closed_directories=overrides)


def _check_has_name(uid: int) -> None:
    # Containers may run under any number; PostgreSQL insists on a name for it.
    try:
        pwd.getpwuid(uid)
    except KeyError as error:
        raise DatabaseError(
            f"user id {uid} has no name, and PostgreSQL does not run without one: "
            "add a line for it to /etc/passwd, or name a PostgreSQL with --database"
        ) from error


def _may_override_access() -> bool:
    # Containers may run root without this capability; setpriv would fail where a plain step-down still works.
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_DAC_OVERRIDE_BIT & 1)
    return False
