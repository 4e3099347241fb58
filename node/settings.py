"""The node's settings: each with its type, limits, default and meaning; nothing is configured elsewhere."""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from node.addresses import HostPort
from node.handle_bounds import HandleBounds
from node.setting_kinds import number as _number

_WEB_ADDRESS = {"form": "an address such as https://node.example.org"}
_DATABASE_ADDRESS = {"form": "an address such as postgresql://user:password@host/database", "secret": True}

Network = IPv4Network | IPv6Network


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
    tls_address: Annotated[
        str,
        Meta(
            pattern=r"^((\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):[0-9]{1,5})?$",
            max_length=255,
            description="where to listen for TLS besides; port 0 takes any free one; empty: nowhere",
            extra={"form": "HOST:PORT"},
        ),
    ] = ""
    tls_certificate_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the certificate, and those it was made from, in PEM; needed where tls_address is set",
            extra={"form": "a path"},
        ),
    ] = ""
    tls_key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="its private key, in PEM; needed where tls_address is set",
            extra={"form": "a path"},
        ),
    ] = ""
    client_certificates: Annotated[
        Literal["off", "optional"],
        Meta(
            description="`optional`: clients are asked for a certificate over TLS, whose key has to be in the record "
            "of the user it names"
        ),
    ] = "off"
    basic_on_loopback: Annotated[
        bool,
        Meta(description="whether secret keys (Basic) are taken without TLS from this host itself, for tests"),
    ] = False
    links: Annotated[
        bool, Meta(description="whether links lead to what is registered; else they lead to `/api/handles`")
    ] = True
    country_header: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9-]*$",
            max_length=64,
            description="header by which trusted proxies tell a client's country, for the choice of locations",
            extra={"form": "the name of a header"},
        ),
    ] = ""
    record_headers: Annotated[
        str,
        Meta(
            pattern=r"^([Xx]-[A-Za-z0-9-]+(\s*,\s*[Xx]-[A-Za-z0-9-]+)*)?$",
            max_length=4096,
            description="headers that values of type 10320/headers may set besides the usual ones",
            extra={"form": "names beginning with X-, with commas between them"},
        ),
    ] = ""


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


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """The change feed: who reads it with signed requests instead of a token."""

    readers_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="a TOML file with the keys of the national node and of mirrors; read again when it changes; "
            "empty: only tokens count, and keys of enterprises' own nodes",
            extra={"form": "a path"},
        ),
    ] = ""


class Mirror(msgspec.Struct, frozen=True, kw_only=True):
    """Being a read-only mirror of another node: no database, no registry, its lookups only."""

    upstream_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s?#]+)?$",
            max_length=2048,
            description="the node whose change feed is followed; empty: this node is no mirror",
            extra=_WEB_ADDRESS,
        ),
    ] = ""
    token_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the token shown to that node, of an account with the role reader and no enterprise; "
            "empty: mirror-token in the data directory; not read where sign_key_file is set",
            extra={"form": "a path"},
        ),
    ] = ""
    sign_key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the private key that signs requests to that node instead; `idnode sync key new` makes one",
            extra={"form": "a path"},
        ),
    ] = ""
    key_id: Annotated[
        str,
        Meta(
            pattern=r"^([0-9]+(\.[0-9]+)*#[A-Za-z0-9._-]{1,64})?$",
            max_length=300,
            description="the name under which that node knows the key; needed where sign_key_file is set",
            extra={"form": "<prefix>#<label>"},
        ),
    ] = ""


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


class Handle(HandleBounds, frozen=True, kw_only=True):
    """The Handle protocol over TCP and UDP, on one port shared by all workers, and who administers the node with it."""

    address: Annotated[HostPort, Meta(description="where to listen; port 0 takes any free one")] = HostPort(
        "127.0.0.1:2641"
    )
    public_addresses: Annotated[
        str,
        Meta(
            pattern=r"^([0-9A-Fa-f.:]+(\s*,\s*[0-9A-Fa-f.:]+)*)?$",
            max_length=1024,
            description="where clients reach the node, the first as its address in the site record; "
            "empty: what handle.address leads to",
            extra={"form": "IP addresses with commas between them"},
        ),
    ] = ""
    site_description: Annotated[
        str,
        Meta(max_length=255, description="what the site record says of this node", extra={"form": "text"}),
    ] = ""
    site_serial: Annotated[
        int, _number("number of the site record, to be raised with every change of it", "count", 1, 65_534)
    ] = 1
    key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the private key (PEM; RSA, DSA or SM2) that answers are signed with; "
            "empty: handle-key.pem in the data directory",
            extra={"form": "a path"},
        ),
    ] = ""
    connections_max: Annotated[int, _number("open connections to one worker", "connections", 1, 1_000_000)] = 4096
    connections_per_address_max: Annotated[int, _number("of these, from one address", "connections", 1, 1_000_000)] = (
        256
    )
    pipeline_max: Annotated[
        int, _number("requests of one connection in hand; beyond that it is not read", "requests", 1, 1024)
    ] = 32
    first_message_timeout_s: Annotated[
        int, _number("time a client has for its first request after connecting", "seconds", 1, 300)
    ] = 15
    message_timeout_s: Annotated[int, _number("time a client has to send a begun request", "seconds", 1, 300)] = 15
    idle_timeout_s: Annotated[
        int, _number("how long a connection may rest between two requests", "seconds", 1, 86_400)
    ] = 600
    write_stall_timeout_s: Annotated[
        int, _number("how long a client may leave an answer unread before it is cut off", "seconds", 1, 300)
    ] = 30
    udp_answers_per_s: Annotated[
        int,
        _number("answers by UDP to one source (/24, /64); a worker sends those above to TCP", "per second", 1, 10**9),
    ] = 200
    udp_octets_per_s: Annotated[
        int, _number("octets of answers by UDP to one source", "octets per second", 512, 10**12)
    ] = 262_144
    udp_signed_per_s: Annotated[int, _number("signed answers by UDP to one source", "per second", 0, 1_000_000)] = 20
    udp_signed_in_all_per_s: Annotated[
        int, _number("signed answers by UDP of one worker", "per second", 0, 1_000_000)
    ] = 200
    administrators: Annotated[
        str,
        Meta(
            pattern=r"^([0-9]+:[^\s,]+(\s*,\s*[0-9]+:[^\s,]+)*)?$",
            max_length=65_536,
            description="users who may do everything on this node, each the place of a key; empty: nobody",
            extra={"form": "index:handle with commas between them, such as 300:88.118/ADMIN"},
        ),
    ] = ""
    anonymous_admin: Annotated[
        Literal["challenge", "refuse"],
        Meta(
            description="what a change without session or login is told: to prove who sends it, or 400, "
            "which clients of the industrial internet understand"
        ),
    ] = "challenge"
    weak_hashes: Annotated[
        bool, Meta(description="whether proofs with public keys may use MD5 and SHA-1, as older clients do")
    ] = True
    lists: Annotated[bool, Meta(description="whether administrators may list names")] = True
    challenge_s: Annotated[int, _number("how long a client may take to answer a challenge", "seconds", 1, 600)] = 60
    upstream: Annotated[
        str,
        Meta(
            pattern=r"^(\S+:[0-9]{1,5})?$",
            max_length=512,
            description="Handle server where users and groups elsewhere are looked up; empty: only those here count",
            extra={"form": "HOST:PORT, such as 192.0.2.1:2641"},
        ),
    ] = ""
    upstream_key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="its public key, PEM or as an HS_PUBKEY value has it: its answers then count only with its "
            "signature",
            extra={"form": "a path"},
        ),
    ] = ""
    upstream_networks: Annotated[
        TrustedNetworks,
        Meta(description="networks, besides public addresses, whose servers are asked where the upstream names them"),
    ] = TrustedNetworks()


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
            "it takes about as much disk and memory as the replica again, twice that while it is made anew"
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
    upstream_urls: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s,]+(\s*,\s*https?://[^\s,]+)*)?$",
            max_length=16_384,
            description="further addresses of the same collector, asked when those before them do not work",
            extra={"form": "addresses with commas between them"},
        ),
    ] = ""
    upstream_srv: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+(/[^\s?#]*)?)?$",
            max_length=512,
            description="a name whose DNS SRV records lead to the collector's addresses, in place of upstream_url",
            extra={"form": "a name such as _idn-report._tcp.nation.example, perhaps with a path such as /idn"},
        ),
    ] = ""
    transport: Annotated[
        Literal["https", "sftp", "file"],
        Meta(description="how reports travel: to an HTTPS address, as files by SFTP, or as files in a directory here"),
    ] = "https"
    second_transport: Annotated[
        Literal["none", "sftp", "file"],
        Meta(description="how tables travel that the collector does not take over HTTPS"),
    ] = "none"
    sign_key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the private key that signs requests; `idnode sync key new` makes one; empty: not signed",
            extra={"form": "a path"},
        ),
    ] = ""
    key_id: Annotated[
        str,
        Meta(
            pattern=r"^([0-9]+(\.[0-9]+)*#[A-Za-z0-9._-]{1,64})?$",
            max_length=300,
            description="the name under which the collector knows the key; needed where sign_key_file is set",
            extra={"form": "the prefix, #, and a label, such as 88.118#2031a"},
        ),
    ] = ""
    upstream_key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the collector's public key: receipts then count only with its signature",
            extra={"form": "a path"},
        ),
    ] = ""
    tls_certificate_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the certificate shown to the collector (mutual TLS), with those it was made from",
            extra={"form": "a path"},
        ),
    ] = ""
    tls_key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the key of tls_certificate_file, where it is not in the same file",
            extra={"form": "a path"},
        ),
    ] = ""
    tls_ca_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="whose certificates prove the collector; empty: the authorities of the system",
            extra={"form": "a path"},
        ),
    ] = ""
    upstream_sftp: Annotated[
        str,
        Meta(
            pattern=r"^(sftp://[^\s@:/]+@[^\s/]+(/\S*)?)?$",
            max_length=2048,
            description="where files go; needed where transport is sftp",
            extra={"form": "an address such as sftp://idnode@host:22/reports"},
        ),
    ] = ""
    sftp_key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the private key shown to the SFTP server",
            extra={"form": "a path"},
        ),
    ] = ""
    sftp_host_key: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the SFTP server's public key; a server with another one is shown nothing",
            extra={"form": "a line such as ssh-ed25519 AAAA…"},
        ),
    ] = ""
    upstream_directory: Annotated[
        str,
        Meta(
            max_length=4096,
            description="where files go; needed where transport is file",
            extra={"form": "a path"},
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
    hold_periods: Annotated[
        bool,
        Meta(
            description="hourly and daily tables wait until their period has closed, an identifier's changes of a day "
            "told as one; otherwise they go as they come"
        ),
    ] = False

    holidays_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="holidays and make-up days by year (JSON), by which monthly reports are sent; "
            "empty: Monday to Friday",
            extra={"form": "a path"},
        ),
    ] = ""

    @property
    def reports(self) -> bool:
        """Whether there is anywhere to report to."""
        if self.transport == "https":
            return bool(self.upstream_url or self.upstream_urls or self.upstream_srv)
        return bool(self.upstream_sftp if self.transport == "sftp" else self.upstream_directory)


class Monitor(msgspec.Struct, frozen=True, kw_only=True):
    """The node's check of itself, from outside its other processes; for a node that has sync.reporter_prefix."""

    enabled: Annotated[bool, Meta(description="whether the node checks itself")] = True
    probe: Annotated[
        str,
        Meta(
            max_length=255,
            pattern=r"^([0-9]+(\.[0-9]+)*/[!-~]+)?$",
            description="the identifier that is registered and looked up, renewed each minute; "
            "empty: IDNODE-PROBE below sync.reporter_prefix",
            extra={"form": "an identifier below the node's own prefix"},
        ),
    ] = ""
    token_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the token with which it registers; empty: admin-token in the data directory",
            extra={"form": "a path"},
        ),
    ] = ""
    addresses: Annotated[
        str,
        Meta(
            max_length=4096,
            pattern=r"^((https?|handle)://[^\s,]+(\s*,\s*(https?|handle)://[^\s,]+)*)?$",
            description="published addresses where it looks up; empty: public_url and handle.public_addresses, "
            "or where the node listens",
            extra={"form": "http://…, https://… and handle://HOST:PORT with commas between them"},
        ),
    ] = ""
    interval_s: Annotated[int, _number("pause between two rounds of probes", "seconds", 5, 60)] = 10
    routes_interval_s: Annotated[
        int, _number("pause between two rounds of probes of enterprises' own nodes", "seconds", 30, 3600)
    ] = 60
    probes: Annotated[int, _number("probes of each service and address in a round", "probes", 1, 9)] = 3
    failing_percent: Annotated[
        int, _number("share of a round's probes from which on it has failed", "percent", 1, 100)
    ] = 51
    blocked_percent: Annotated[
        int,
        _number("share of the traffic turned away by limits of rate from which on it is an attack", "percent", 1, 100),
    ] = 20
    abnormal_after_s: Annotated[
        int, _number("how long a condition fails before an event says so", "seconds", 0, 3600)
    ] = 30
    recovered_after_s: Annotated[int, _number("how long it is well before an event says so", "seconds", 0, 3600)] = 60
    disk_free_min_percent: Annotated[
        int, _number("room on the data directory's disk; less is abnormal", "percent", 0, 99)
    ] = 5
    replica_lag_max_s: Annotated[int, _number("lag of the replica; more is abnormal", "seconds", 1, 86_400)] = 60
    time_server: Annotated[
        str,
        Meta(
            max_length=255,
            description="an SNTP server to compare the clock with; more than 2 s off is abnormal; empty: not compared",
            extra={"form": "a host, or HOST:PORT"},
        ),
    ] = ""


class Escrow(msgspec.Struct, frozen=True, kw_only=True):
    """Deposits with the national disaster-recovery node."""

    prefixes: Annotated[
        str,
        Meta(
            pattern=r"^([0-9]+(\.[0-9]+)*(\s*,\s*[0-9]+(\.[0-9]+)*)*)?$",
            max_length=1024,
            description="secondary prefixes that deposits are made for, each holding the whole registry; "
            "empty: none is made",
            extra={"form": "prefixes with commas between them, such as 88.118"},
        ),
    ] = ""
    platform_key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the SM2 public key of the escrow platform (PEM, or Base64 of the DER)",
            extra={"form": "a path"},
        ),
    ] = ""
    private_key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="this node's SM2 key that signs deposits and opens its own copies; `idnode escrow keygen` "
            "makes one",
            extra={"form": "a path"},
        ),
    ] = ""
    sftp_host: Annotated[
        str,
        Meta(max_length=255, description="the platform's SFTP server", extra={"form": "a name or an address"}),
    ] = ""
    sftp_port: Annotated[int, _number("its port", "number", 1, 65_535)] = 22
    sftp_path: Annotated[str, Meta(max_length=1024, description="the directory there", extra={"form": "a path"})] = (
        "upload"
    )
    sftp_user: Annotated[str, Meta(max_length=255, description="the user's name there", extra={"form": "a name"})] = ""
    sftp_password_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="a file with the user's password, readable for its owner only; not needed with a key",
            extra={"form": "a path"},
        ),
    ] = ""
    sftp_key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the private key shown to the server in place of a password",
            extra={"form": "a path"},
        ),
    ] = ""
    sftp_host_key: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the server's public key; a server with another one is sent nothing",
            extra={"form": "a line such as ssh-ed25519 AAAA…"},
        ),
    ] = ""
    directory: Annotated[
        str,
        Meta(
            max_length=4096,
            description="where deposits are put, in place of an SFTP server",
            extra={"form": "a path"},
        ),
    ] = ""
    work_dir: Annotated[
        str,
        Meta(
            max_length=4096,
            description="where files lie until they are handed in; empty: escrow/data in the data directory",
            extra={"form": "a path"},
        ),
    ] = ""
    backup_dir: Annotated[
        str,
        Meta(
            max_length=4096,
            description="where copies of what was handed in are kept; empty: escrow/backup in the data directory",
            extra={"form": "a path"},
        ),
    ] = ""
    own_copy: Annotated[
        bool,
        Meta(
            description="whether a copy that this node's own key opens is kept beside: without one only the "
            "platform can restore"
        ),
    ] = True


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
    feed: Feed = Feed()
    mirror: Mirror = Mirror()
    snms: Snms = Snms()
    handle: Handle = Handle()
    replica: Replica = Replica()
    spool: Spool = Spool()
    log: Log = Log()
    sync: Sync = Sync()
    escrow: Escrow = Escrow()
    monitor: Monitor = Monitor()

    @property
    def handle_key_file(self) -> Path:
        """Where the key is that Handle answers are signed with."""
        return Path(self.handle.key_file) if self.handle.key_file else self.data_dir / "handle-key.pem"

    @property
    def monitors(self) -> bool:
        """Whether the node checks itself: a mirror registers nothing, and events need the node's prefix."""
        return self.monitor.enabled and bool(self.sync.reporter_prefix) and not self.mirror.upstream_url

    @property
    def syncs(self) -> bool:
        """Whether there is anything for the sync process to do: reports, or deposits."""
        return (self.sync.reports or bool(self.escrow.prefixes)) and not self.mirror.upstream_url

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
