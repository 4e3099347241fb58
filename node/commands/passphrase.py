"""The passphrase of an encrypted key: from the environment, or asked of who sits at a terminal. Never an argument."""

import getpass
import os
import sys
from pathlib import Path
from typing import Final

VARIABLE: Final = "IDNODE_HANDLE_KEY_PASSWORD"


def ask_passphrase(key_file: Path) -> bytes | None:
    """Return what opens a key file; None where nobody can be asked."""
    if written := os.environ.get(VARIABLE):
        return os.fsencode(written)
    if not sys.stdin.isatty():
        return None
    try:
        return getpass.getpass(f"Passphrase of {key_file}: ").encode() or None
    except EOFError:
        return None
