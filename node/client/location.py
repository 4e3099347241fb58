"""Where the node is: named by the caller, or the one running on this host, found by its data directory."""

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from node.client.errors import UnavailableError, UsageError

NODE_FILE_OCTETS_MAX = 65_536
TOKEN_OCTETS_MAX = 4_096


@dataclass(frozen=True, slots=True)
class NodeLocation:
    """A node's base URL, without a slash at its end, and the bearer token to use there (None: anonymous)."""

    url: str
    token: str | None = None

    def anonymous(self) -> "NodeLocation":
        """Return the same node, to be asked without credentials."""
        return replace(self, token=None)


class _NodeFile(msgspec.Struct):
    """DATA_DIR/run/node.json as a running node writes it; members unknown here are ignored."""

    url: str
    token_file: str | None = None
    handle: str = ""


def local_handle_address(data_dir: Path) -> str:
    """Return HOST:PORT where the local node speaks the Handle protocol; raise UnavailableError, UsageError."""
    address = _local_node(data_dir).handle
    if not address:
        raise UnavailableError(f"the node in {data_dir.absolute()} does not say where it speaks the Handle protocol")
    return address


def locate_node(url: str | None, token: str | None, data_dir: Path) -> NodeLocation:
    """Return the node to talk to: `url` if given, else the local node of `data_dir`.

    The local administrator's token is only ever sent to the local node: with a foreign `url` and no `token`
    the location is anonymous. Raises UsageError for an unusable URL or token file, UnavailableError when no
    URL is given and no local node has left its address.
    """
    if url is None:
        node = _local_node(data_dir)
        return NodeLocation(_checked_url(node.url), token or _local_token(node, data_dir))
    asked = _checked_url(url)
    return NodeLocation(asked, token or _token_if_local(asked, data_dir))


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise UsageError(f"{url!r} is not the address of a node; give one like http://127.0.0.1:8080")
    return url.rstrip("/")


def _local_node(data_dir: Path) -> _NodeFile:
    path = data_dir / "run" / "node.json"
    try:
        return msgspec.json.decode(_read_bounded(path, NODE_FILE_OCTETS_MAX), type=_NodeFile)
    except FileNotFoundError as error:
        raise UnavailableError(
            f"no running node found in {data_dir.absolute()}; start one with `idnode serve`, "
            "name its directory with --data-dir, or pass --url",
        ) from error
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot use {path}: {error}; pass --url and --token instead") from error


def _token_if_local(url: str, data_dir: Path) -> str | None:
    """Return the local token when `url` names the very node that runs in `data_dir`."""
    try:
        node = _local_node(data_dir)
    except (UnavailableError, UsageError):
        return None
    return _local_token(node, data_dir) if node.url.rstrip("/") == url else None


def _local_token(node: _NodeFile, data_dir: Path) -> str | None:
    """Read the administrator's token; None when this user may not read it, for many commands need none."""
    path = data_dir / "admin-token"
    if node.token_file is not None and not path.exists():
        path = Path(node.token_file)
    try:
        return _read_bounded(path, TOKEN_OCTETS_MAX).decode("ascii").strip() or None
    except OSError:
        return None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} does not hold a token; pass --token instead") from error


def _read_bounded(path: Path, octets_max: int) -> bytes:
    with path.open("rb") as file:
        return file.read(octets_max)
