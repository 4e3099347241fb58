"""The node's settings: each with its type, limits, default and meaning; nothing is configured elsewhere."""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from node.addresses import HostPort

_WEB_ADDRESS = {"form": "an address such as https://node.example.org"}
_DATABASE_ADDRESS = {"form": "an address such as postgresql://user:password@host/database", "secret": True}

Network = IPv4Network | IPv6Network


def _number(meaning: str, unit: str, least: int, most: int) -> Meta:
    return Meta(ge=least, le=most, description=meaning, extra={"unit": unit})


class TrustedNetworks(tuple[Network, ...]):
    """The networks of reverse proxies whose word about a client's address is taken."""

    __slots__ = ()

    @classmethod
    def parse(cls, written: object) -> "TrustedNetworks":
        """Read a list of networks, or one text with commas. Raises `ValueError`."""
        items = written.split(",") if isinstance(written, str) else written
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
            raise ValueError("not a list of networks, such as 10.0.0.0/8")
        return cls(ip_network(item.strip()) for item in items if item.strip())

    def __str__(self) -> str:
        return ", ".join(map(str, self))


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """The public port: one for every HTTP face, shared by all workers."""

    address: Annotated[HostPort, Meta(description="where to listen; port 0 takes any free one")] = HostPort(
        "127.0.0.1:8080"
    )
    trusted_proxies: Annotated[
        TrustedNetworks,
        Meta(description="reverse proxies whose X-Forwarded-For is believed; empty: nobody's"),
    ] = TrustedNetworks()
    header_timeout_s: Annotated[
        int, _number("time a client has to send the headers of a request", "seconds", 1, 300)
    ] = 10
    idle_timeout_s: Annotated[
        int, _number("how long a connection may rest between two requests", "seconds", 1, 3600)
    ] = 30
    write_stall_timeout_s: Annotated[
        int, _number("how long a client may leave an answer unread before it is cut off", "seconds", 1, 300)
    ] = 30
    connections_max: Annotated[int, _number("open connections to one worker", "connections", 1, 1_000_000)] = 10_000
    connections_per_address_max: Annotated[
        int,
        _number("of these, from one address; a reverse proxy is one address", "connections", 1, 1_000_000),
    ] = 1000


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """Where the registry keeps its records."""

    dsn: Annotated[
        str,
        Meta(
            pattern=r"^(postgres(ql)?://.*)?$",
            max_length=4096,
            description="address of a PostgreSQL 15 or newer; empty: the embedded one, in the data directory",
            extra=_DATABASE_ADDRESS,
        ),
    ] = ""
    connections_max: Annotated[int, _number("connections of the registry to PostgreSQL", "connections", 2, 1000)] = 16


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """How writes answer."""

    resolvable_wait_ms: Annotated[
        int,
        _number("how long a write waits until this host resolves it; after that, 202", "milliseconds", 0, 60_000),
    ] = 2000
    requests_per_s: Annotated[
        int,
        _number("requests an enterprise may send whose quota does not say; 0: any number", "per second", 0, 1_000_000),
    ] = 0
    secret_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="32 random octets that sessions are signed with; empty: node-secret in the data directory",
            extra={"form": "a path"},
        ),
    ] = ""


class Jobs(msgspec.Struct, frozen=True, kw_only=True):
    """Uploads of many rows, worked on while nobody waits."""

    parallel: Annotated[
        int, _number("jobs worked on at a time; 0: none on this host, they wait for another", "jobs", 0, 16)
    ] = 1
    octets_max: Annotated[int, _number("longest upload", "octets", 1_048_576, 1_099_511_627_776)] = 1_073_741_824
    rows_max: Annotated[
        int, _number("rows of one job, where the enterprise's quota says no less", "rows", 1, 1_000_000_000)
    ] = 10_000_000
    open_max: Annotated[int, _number("jobs of one enterprise that have not ended", "jobs", 1, 1000)] = 10
    keep_days: Annotated[int, _number("how long a job and its results are kept after its end", "days", 1, 36_500)] = 7


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """The order of all changes."""

    keep_days: Annotated[
        int,
        _number("how long changes are kept; a follower away for longer takes a snapshot", "days", 1, 36_500),
    ] = 35


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, from where. Entries of changes are kept for good."""

    access_days: Annotated[
        int,
        _number("how long entries of sign-ins, refusals and reads of restricted values are kept", "days", 1, 36_500),
    ] = 180


class National(msgspec.Struct, frozen=True, kw_only=True):
    """The national top-level node, as far as it decides what is registered here."""

    link: Annotated[
        bool,
        Meta(description="whether it decides on prefixes after this node's review; else approval puts them in force"),
    ] = False


class Snms(msgspec.Struct, frozen=True, kw_only=True):
    """The SNMS-compatible API."""

    http_status: Annotated[
        Literal["ok", "strict"],
        Meta(
            description="`ok`: refusals are answered 200, as its clients expect; `strict`: 400, 401, 403, 404, 409, 500"
        ),
    ] = "ok"
    public_detail: Annotated[
        Literal["off", "public-values"],
        Meta(description="what reading an identifier without a token shows: nothing, or the values open to everyone"),
    ] = "off"
    registration_body: Annotated[
        str,
        Meta(max_length=255, description="name of the registration service body of prefixes", extra={"form": "text"}),
    ] = ""


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """The memory map from which lookups are answered. It grows by itself; it takes disk as it fills, not before."""

    map_initial_octets: Annotated[int, _number("size of the map at first", "octets", 1_048_576, 1_099_511_627_776)] = (
        1_073_741_824
    )
    map_max_octets: Annotated[
        int, _number("size at which it stops growing and the follower halts", "octets", 1_048_576, 17_592_186_044_416)
    ] = 1_099_511_627_776
    hot_table: Annotated[
        bool,
        Meta(
            description="whether small records are also kept in a table that answers sooner; "
            "it takes about half of the replica's disk and memory again, twice that while it is made anew"
        ),
    ] = True


class Spool(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of lookups on their way from the workers to PostgreSQL."""

    flush_s: Annotated[
        int, _number("how often a worker writes its counts to disk; a crash loses at most these", "seconds", 1, 60)
    ] = 10
    octets_max: Annotated[
        int,
        _number("room for counts while PostgreSQL is away; then the oldest go", "octets", 1_048_576, 1_099_511_627_776),
    ] = 1_073_741_824


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """What the node says on stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="the least that is logged")] = (
        "info"
    )
    format: Annotated[Literal["text", "json"], Meta(description="one line of key=value pairs, or of JSON")] = "text"


class Sync(msgspec.Struct, frozen=True, kw_only=True):
    """Reporting to the national top-level node."""

    upstream_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://\S+)?$",
            max_length=2048,
            description="where reports go; empty: nothing is reported",
            extra=_WEB_ADDRESS,
        ),
    ] = ""
    reporter_prefix: Annotated[
        str,
        Meta(
            pattern=r"^([0-9]+(\.[0-9]+)*)?$",
            max_length=255,
            description="this node's own prefix, as the reports name it; needed where upstream_url is set",
            extra={"form": "a prefix such as 88.118"},
        ),
    ] = ""
    token: Annotated[
        str,
        Meta(
            max_length=4096,
            description="what this node shows to the top-level node as its right to report",
            extra={"form": "a token that the top-level node gave out", "secret": True},
        ),
    ] = ""
    default_template: Annotated[
        str,
        Meta(
            max_length=255,
            description="reported as the template of identifiers that have none; empty: these are withheld",
            extra={"form": "the code of a template"},
        ),
    ] = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All of a node's settings."""

    data_dir: Annotated[
        Path, Meta(description="everything the node keeps; a relative path counts from the working directory")
    ] = Path("idnode-data")
    workers: Annotated[int, _number("processes that answer lookups; 0: one per core", "processes", 0, 256)] = 0
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s?#]+)?$",
            max_length=2048,
            description="the node's address as clients see it, to be shown; empty: made from http.address",
            extra=_WEB_ADDRESS,
        ),
    ] = ""
    http: Http = Http()
    database: Database = Database()
    registry: Registry = Registry()
    jobs: Jobs = Jobs()
    journal: Journal = Journal()
    audit: Audit = Audit()
    national: National = National()
    snms: Snms = Snms()
    replica: Replica = Replica()
    spool: Spool = Spool()
    log: Log = Log()
    sync: Sync = Sync()

    @property
    def secret_file(self) -> Path:
        """Where the node's secret is."""
        return Path(self.registry.secret_file) if self.registry.secret_file else self.data_dir / "node-secret"

    @property
    def worker_count(self) -> int:
        """How many workers to run: the setting, or one for each core this process may use."""
        return self.workers or len(os.sched_getaffinity(0))


def read_value(kind: Any, written: object, *, from_text: bool) -> Any:
    """Turn what a person wrote for one setting into its type; `from_text` lets "5" be a number.

    Raises `msgspec.ValidationError`.
    """
    return msgspec.convert(written, kind, strict=not from_text, dec_hook=_decode)


def encode_settings(settings: Settings) -> Any:
    """Return the settings, secrets included, as plain values that `decode_settings` reads."""
    return msgspec.to_builtins(settings, enc_hook=str)


def decode_settings(plain: Any) -> Settings:
    """Read what `encode_settings` made. Raises `msgspec.ValidationError`."""
    return msgspec.convert(plain, Settings, dec_hook=_decode)


def _decode(kind: type, written: Any) -> Any:
    if kind is TrustedNetworks:
        return TrustedNetworks.parse(written)
    if not isinstance(written, str) or not written:
        raise ValueError("not a text")
    return HostPort(written) if kind is HostPort else Path(written)
