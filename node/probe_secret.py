"""The secret by which a node's processes know its own probes: made from the node's secret, so that no file is needed.

A probe sends it in the header `Idn-Probe`; such a request is answered like any other and counted nowhere.
"""

import hashlib
import hmac
from pathlib import Path

from node.secret_file import read_secret


def probe_secret(secret_file: Path) -> str:
    """Return the secret in hexadecimal digits. Raises `DataDirectoryError` unless the node's secret can be read."""
    return hmac.new(read_secret(secret_file), b"idnode probe", hashlib.sha256).hexdigest()
