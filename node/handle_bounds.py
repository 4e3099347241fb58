"""How much the Handle server remembers, computes and asks elsewhere at most: further settings of `[handle]`."""

from typing import Annotated

import msgspec

from identifiers.handle_rights import GroupBounds
from identifiers.handle_wire.udp import ReassemblyLimits
from node.setting_kinds import number
from resolver.handle.auth.limits import AuthLimits


class HandleBounds(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of authentication and lists (Handle wire 24). None can be switched off."""

    udp_answer_octets_max: Annotated[
        int, number("octets of an answer by UDP; longer ones are sent to TCP", "octets", 512, 4_096)
    ] = 4_096
    udp_request_octets_max: Annotated[
        int, number("octets of a request by UDP; longer ones are sent to TCP", "octets", 512, 16_384)
    ] = 16_384
    udp_reassembly_s: Annotated[int, number("time for all datagrams of a request to arrive", "seconds", 1, 60)] = 5
    udp_reassembly_per_address_max: Annotated[
        int, number("unfinished requests kept of one address; the oldest goes", "requests", 1, 1_024)
    ] = 8
    udp_reassembly_max: Annotated[int, number("unfinished requests kept by one worker", "requests", 1, 65_536)] = 1_024
    udp_reassembly_octets_max: Annotated[int, number("octets of these", "octets", 16_384, 268_435_456)] = 4_194_304
    challenges_max: Annotated[int, number("challenges under way on a host", "challenges", 1, 1_000_000)] = 10_000
    challenges_per_address_max: Annotated[
        int, number("of these, from one address; the oldest goes", "challenges", 1, 1_000_000)
    ] = 100
    challenge_octets_max: Annotated[
        int, number("octets of the requests that were challenged", "octets", 1_048_576, 134_217_728)
    ] = 67_108_864
    sessions_max: Annotated[int, number("sessions on a host", "sessions", 2, 1_000_000)] = 10_000
    sessions_per_address_max: Annotated[
        int, number("of these, from one address; the one unused for longest goes", "sessions", 1, 1_000_000)
    ] = 100
    session_s: Annotated[int, number("how long a session lasts at most", "seconds", 60, 86_400)] = 86_400
    session_idle_s: Annotated[int, number("how long a session lasts without use", "seconds", 10, 86_400)] = 3_600
    session_counters: Annotated[
        int, number("how far a message of a session may be overtaken by later ones", "messages", 1, 1_000)
    ] = 200
    pbkdf2_iterations_max: Annotated[
        int, number("iterations of PBKDF2 in a proof; clients use 10,000", "iterations", 1, 100_000)
    ] = 100_000
    pbkdf2_at_once: Annotated[int, number("PBKDF2 computations at a time in each worker", "computations", 1, 64)] = 4
    pbkdf2_per_s: Annotated[
        int,
        number("PBKDF2 computations, and proofs verified elsewhere, for one address", "per second", 1, 10_000),
    ] = 20
    failed_proofs_per_minute: Annotated[
        int, number("wrong proofs of a user from one address; after these the answer is 3", "per minute", 1, 10_000)
    ] = 30
    key_bits_min: Annotated[int, number("shortest RSA key that proves a user", "bits", 1_024, 4_096)] = 1_024
    key_bits_max: Annotated[int, number("longest RSA key that proves a user", "bits", 1_024, 4_096)] = 4_096
    group_depth_max: Annotated[int, number("how deep groups contain groups", "levels", 1, 32)] = 32
    group_members_max: Annotated[
        int, number("members of groups that are looked at to decide one question", "members", 1, 65_536)
    ] = 1_024
    list_names_per_part: Annotated[int, number("names in one part of a list", "names", 1, 50)] = 50
    upstream_timeout_s: Annotated[int, number("time for one question to another server", "seconds", 1, 60)] = 5
    upstream_kept_s: Annotated[
        int, number("how long keys, groups and sites elsewhere are kept, if their TTL is longer", "seconds", 1, 3_600)
    ] = 3_600
    upstream_per_s: Annotated[int, number("users looked up elsewhere for one address", "per second", 1, 10_000)] = 20


def reassembly_limits(bounds: HandleBounds) -> ReassemblyLimits:
    """Return the bounds of requests in several datagrams."""
    return ReassemblyLimits(
        seconds=bounds.udp_reassembly_s,
        message_octets=bounds.udp_request_octets_max,
        per_address=bounds.udp_reassembly_per_address_max,
        messages=bounds.udp_reassembly_max,
        octets=bounds.udp_reassembly_octets_max,
    )


def auth_limits(bounds: HandleBounds) -> AuthLimits:
    """Return the bounds as a worker takes them."""
    return AuthLimits(
        challenges=bounds.challenges_max,
        challenges_per_address=bounds.challenges_per_address_max,
        challenge_octets=bounds.challenge_octets_max,
        sessions=bounds.sessions_max,
        sessions_per_address=bounds.sessions_per_address_max,
        session_s=bounds.session_s,
        session_idle_s=bounds.session_idle_s,
        session_window=bounds.session_counters,
        pbkdf2_iterations=bounds.pbkdf2_iterations_max,
        pbkdf2_at_once=bounds.pbkdf2_at_once,
        pbkdf2_per_s=bounds.pbkdf2_per_s,
        failed_per_minute=bounds.failed_proofs_per_minute,
        key_bits=range(bounds.key_bits_min, bounds.key_bits_max + 1),
        vlist_depth=bounds.group_depth_max,
        vlist_references=bounds.group_members_max,
        names_per_part=bounds.list_names_per_part,
        remote_timeout_s=bounds.upstream_timeout_s,
        remote_kept_s=bounds.upstream_kept_s,
        remote_per_s=bounds.upstream_per_s,
    )


def group_bounds(bounds: HandleBounds) -> GroupBounds:
    """Return the bounds of groups as the registry takes them."""
    return GroupBounds(bounds.group_depth_max, bounds.group_members_max)
