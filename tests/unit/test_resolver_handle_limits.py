"""The bounds of the Handle server as they are by default, and where each is shown to hold (handle wire 24).

messages, names and records      `test_identifiers_handle_wire_tcp`, `test_identifiers_handle_wire_requests`,
                                 `test_handle_client_traps` (the longest record)
datagrams and their rates        `test_identifiers_handle_wire_udp`, `test_resolver_handle_sources`,
                                 `test_resolver_handle_transports`
connections and their times      `test_resolver_handle_connections`, `test_resolver_handle_transports`
pipelines                        `test_resolver_handle_transports` (the 33rd request)
challenges, sessions, proofs     `test_handle_authentication`, `test_handle_must_never`, `test_handle_limits`
groups                           `test_identifiers_handle_rights`, `test_handle_limits`
lists                            `test_handle_administration`, `test_handle_limits`
users elsewhere                  `test_handle_elsewhere`
keys                             `test_identifiers_handle_wire_keys`, `test_handle_limits`
set by operators                 `test_node_handle_bounds`, `test_node_handle_site`

Nothing is looked up for a client at other servers, so no recursion is counted (`recursion_max`): whatever count a
request has, nobody is called (`test_handle_must_never`).
"""

import pytest

from identifiers.handle_wire.codes import MESSAGE_OCTETS_MAX
from identifiers.handle_wire.udp import DATAGRAM_OCTETS_MAX, ReassemblyLimits
from identifiers.values import HANDLE_OCTETS_MAX, RECORD_OCTETS_MAX, VALUES_PER_RECORD_MAX
from resolver.handle.auth.limits import AuthLimits, AuthSettings
from resolver.handle.limits import CLOSING_S, OCTETS_PER_S_MIN, HandleLimits

SERVER, USERS, PIECES = HandleLimits(), AuthLimits(), ReassemblyLimits()


@pytest.mark.parametrize(
    ("bound", "value"),
    [
        (MESSAGE_OCTETS_MAX, 262_144),
        (HANDLE_OCTETS_MAX, 2_048),
        (VALUES_PER_RECORD_MAX, 2_048),
        (RECORD_OCTETS_MAX, 262_000),
        (DATAGRAM_OCTETS_MAX, 512),
        (SERVER.udp_answer_octets, 4_096),
        (PIECES.message_octets, 16_384),
        (PIECES.seconds, 5.0),
        (PIECES.per_address, 8),
        (PIECES.messages, 1_024),
        (PIECES.octets, 4 * 1_024 * 1_024),
        (SERVER.reassembly, PIECES),
        (SERVER.answers_per_source, 200),
        (SERVER.octets_per_source, 256 * 1_024),
        (SERVER.signed_per_source, 20),
        (SERVER.signed_in_all, 200),
        (SERVER.connections, 4_096),
        (SERVER.per_address, 256),
        (SERVER.pipeline, 32),
        (SERVER.first_message_s, 15.0),
        (SERVER.message_s, 15.0),
        (SERVER.idle_s, 600.0),
        (SERVER.stall_s, 30.0),
        (OCTETS_PER_S_MIN, 1_024),
        (CLOSING_S, 2.0),
        (AuthSettings().challenge_s, 60.0),
        (USERS.challenges, 10_000),
        (USERS.challenge_octets, 64 * 1_024 * 1_024),
        (USERS.challenges_per_address, 100),
        (USERS.pbkdf2_iterations, 100_000),
        (USERS.pbkdf2_at_once, 4),
        (USERS.pbkdf2_per_s, 20),
        (USERS.failed_per_minute, 30),
        (USERS.session_s, 86_400),
        (USERS.session_idle_s, 3_600),
        (USERS.sessions, 10_000),
        (USERS.sessions_per_address, 100),
        (USERS.session_window, 200),
        (USERS.vlist_depth, 32),
        (USERS.vlist_references, 1_024),
        (USERS.names_per_part, 50),
        (USERS.remote_timeout_s, 5.0),
        (USERS.remote_kept_s, 3_600.0),
        (USERS.key_bits, range(1_024, 4_097)),
    ],
)
def test_a_bound_is_what_it_is_said_to_be(bound: object, value: object) -> None:
    assert bound == value
