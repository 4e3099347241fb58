"""`idnode resolve` over the Handle protocol, against stand-ins over real sockets: transports, faults, recursion."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from identifiers.handle_wire.answers import Referral
from identifiers.handle_wire.codes import Op
from identifiers.handle_wire.message import Message
from identifiers.hs_site_json import site_to_json
from identifiers.values import Value
from tests.node_command import Outcome, run_command
from tests.stand_in_handle_server import StandInHandleServer, site_of, with_request_id

NAME = "88.118.8/SN1"
VALUES = (Value(1, "URL", b"https://x"), Value(2, "NOTE", b"n" * 2_000))
SHOWN = f"{NAME}\n  1  URL   https://x\n  2  NOTE  {'n' * 2_000}\n"


@pytest.fixture
def server() -> Iterator[StandInHandleServer]:
    with StandInHandleServer() as running:
        running.records[NAME] = VALUES
        yield running


def ask(server: StandInHandleServer, *arguments: str, protocol: str = "handle-tcp") -> Outcome:
    return run_command("resolve", *arguments, "--protocol", protocol, "--server", server.address)


@pytest.mark.parametrize("protocol", ["handle-tcp", "handle-udp"])
def test_a_code_is_shown_with_its_values_over_either_transport(server: StandInHandleServer, protocol: str) -> None:
    outcome = ask(server, NAME, protocol=protocol)
    assert (outcome.code, outcome.out, outcome.err) == (0, SHOWN, "")
    assert {way for way, _ in server.asked} == {protocol.removeprefix("handle-")}


def test_values_are_selected_by_type_and_index(server: StandInHandleServer) -> None:
    outcome = ask(server, NAME, "--type", "url", "--index", "2", "--json")
    assert [value["index"] for value in json.loads(outcome.out)["values"]] == [1, 2]
    assert ask(server, NAME, "--index", "7").out == f"{NAME}\n  no such values\n"


def test_codes_come_from_standard_input_and_one_that_is_missing_ends_with_1(server: StandInHandleServer) -> None:
    outcome = run_command(
        "resolve", "-", "--protocol", "handle-tcp", "--server", server.address, "--json", stdin=f"{NAME}\n88.118.8/X\n"
    )
    assert outcome.code == 1
    assert [json.loads(line)["outcome"] for line in outcome.out.splitlines()] == ["found", "absent"]


def test_look_ups_share_a_connection_unless_the_server_closes_it_after_each_answer(server: StandInHandleServer) -> None:
    assert ask(server, NAME, NAME, NAME).out == SHOWN * 3
    assert server.connections == 1
    server.closes_after_answer = True
    assert ask(server, NAME, NAME, NAME).out == SHOWN * 3
    assert server.connections == 1 + 3


def test_lost_datagrams_are_sent_again(server: StandInHandleServer) -> None:
    server.deaf = 1
    assert ask(server, NAME, protocol="handle-udp").out == SHOWN
    assert [way for way, _ in server.asked] == ["udp"]


def test_a_server_that_wants_tcp_is_asked_over_tcp_at_once(server: StandInHandleServer) -> None:
    server.over_udp = False
    assert ask(server, NAME, protocol="handle-udp").out == SHOWN
    assert [way for way, _ in server.asked] == ["udp", "tcp"]


@pytest.mark.parametrize("protocol", ["handle-tcp", "handle-udp"])
def test_an_answer_to_another_request_is_not_taken(server: StandInHandleServer, protocol: str) -> None:
    server.mangle = lambda message: with_request_id(message, message.envelope.request_id ^ 1)
    outcome = run_command(
        "resolve", NAME, "--protocol", protocol, "--server", server.address, "--timeout", "0.1",
    )  # fmt: skip
    assert (outcome.code, outcome.out) == (4, "")
    assert "no answer within 0.1 s" in outcome.err


def test_an_answer_to_another_operation_is_not_trusted(server: StandInHandleServer) -> None:
    server.mangle = lambda message: Message(
        message.envelope,
        message.header._replace(op=Op.GET_SITE_INFO),
        int(Op.GET_SITE_INFO).to_bytes(4, "big") + message.content[4:],
    )
    outcome = ask(server, NAME)
    assert (outcome.code, outcome.out) == (4, "")
    assert "not to be trusted" in outcome.err


def test_a_server_that_refuses_or_hangs_up_ends_with_4_and_says_why(server: StandInHandleServer) -> None:
    server.refused[NAME] = 400
    assert ask(server, NAME).err == f"idnode: {NAME}: this user may not do that (no) [400]\n"
    server.closes_at_once = True
    outcome = ask(server, NAME)
    assert (outcome.code, outcome.err) == (
        4,
        f"idnode: the Handle server at {server.address} closed the connection\n",
    )


def test_nobody_there_ends_with_4_and_a_wrong_address_with_2() -> None:
    outcome = run_command("resolve", NAME, "--protocol", "handle-udp", "--server", "127.0.0.1:9", "--timeout", "1")
    assert (outcome.code, outcome.err) == (
        4,
        "idnode: cannot reach the Handle server at 127.0.0.1:9: Connection refused\n",
    )
    for wrong in ("127.0.0.1:x", "127.0.0.1:0", "a/b", "u@h:1", ""):
        assert run_command("resolve", NAME, "--protocol", "handle-tcp", "--server", wrong or "[:1").code == 2


@pytest.fixture
def servers() -> Iterator[tuple[StandInHandleServer, StandInHandleServer]]:
    """Run a root that knows where the prefix is served, and the server that serves it."""
    with ExitStack() as stack:
        root, leaf = (stack.enter_context(StandInHandleServer()) for _ in range(2))
        root.records["0.NA/88.118.8"] = (Value(1, "HS_SITE", leaf.site),)
        leaf.records[NAME] = VALUES
        yield root, leaf


def find(root: StandInHandleServer, *arguments: str) -> Outcome:
    return run_command("resolve", *arguments, "--recursive", "--root", root.address)


Servers = tuple[StandInHandleServer, StandInHandleServer]


def test_a_code_is_found_through_the_sites_of_its_prefix_which_are_asked_for_once(servers: Servers) -> None:
    root, leaf = servers
    assert find(root, NAME, NAME).out == SHOWN * 2
    assert root.names_asked() == ["0.NA/88.118.8"]
    assert leaf.names_asked() == [NAME, NAME]


def test_an_unreachable_site_is_passed_over(servers: Servers) -> None:
    root, leaf = servers
    root.records["0.NA/88.118.8"] = (Value(1, "HS_SITE", site_of(9)), Value(2, "HS_SITE", leaf.site))
    assert find(root, NAME).out == SHOWN


def test_the_service_record_referrals_and_the_prefix_above_are_followed(servers: Servers) -> None:
    root, leaf = servers
    site = Value(1, "HS_SITE", leaf.site)
    root.records = {"0.NA/88.118.8": (Value(1, "HS_SERV", b"0.NA/SERVICE"),), "0.NA/SERVICE": (site,)}
    assert find(root, NAME).out == SHOWN
    root.records = {}
    root.referrals["0.NA/88.118.8"] = Referral("", (site,))
    leaf.records["0.NA/88.118.8"] = (site,)
    assert find(root, NAME).out == SHOWN
    root.referrals = {}
    root.records = {"0.NA/88.118": (Value(1, "HS_SITE", site_of(9)), Value(2, "HS_SITE.PREFIX", leaf.site))}
    assert find(root, NAME).out == SHOWN


def test_aliases_are_followed_unless_they_are_asked_for(servers: Servers) -> None:
    root, leaf = servers
    leaf.records["88.118.8/OLD"] = (Value(1, "HS_ALIAS", NAME.encode()),)
    outcome = find(root, "88.118.8/OLD", "--type", "URL", "--json")
    assert json.loads(outcome.out) == {
        "identifier": "88.118.8/OLD",
        "outcome": "found",
        "values": [{"index": 1, "type": "URL", "data": {"format": "string", "value": "https://x"}, "ttl": 86_400}],
    }
    assert find(root, "88.118.8/OLD", "--type", "HS_ALIAS").out.endswith(f"HS_ALIAS  {NAME}\n")


def test_circles_of_aliases_referrals_and_services_end(servers: Servers) -> None:
    root, leaf = servers
    leaf.records["88.118.8/A"] = (Value(1, "HS_ALIAS", b"88.118.8/b"),)
    leaf.records["88.118.8/B"] = (Value(1, "HS_ALIAS", b"88.118.8/a"),)
    leaf.referrals["88.118.8/C"] = Referral("", (Value(1, "HS_SITE", leaf.site),))
    root.records["0.NA/88.118.9"] = (Value(1, "HS_SERV", b"88.118.9/SERVICE"),)
    for name, said in (("88.118.8/A", "circle"), ("88.118.8/C", "circle"), ("88.118.9/X", "circle")):
        outcome = find(root, name)
        assert (outcome.code, outcome.out) == (4, "")
        assert said in outcome.err
    assert len(root.asked) + len(leaf.asked) < 100


def test_whoever_serves_the_prefix_above_is_asked_for_what_has_no_prefix_record(servers: Servers) -> None:
    root, leaf = servers
    root.records = {"0.NA/88.118": (Value(1, "HS_SITE", leaf.site),)}
    leaf.refused["0.NA/88.118.8"] = 301
    assert find(root, NAME, NAME).out == SHOWN * 2
    assert leaf.names_asked() == ["0.NA/88.118.8", NAME, NAME]
    leaf.refused[NAME] = 301
    root.records[NAME] = VALUES
    assert find(root, NAME).out == SHOWN


def test_services_that_lead_on_and_on_end_after_so_many_questions(servers: Servers) -> None:
    root, _ = servers
    root.records = {f"0.NA/{at}": (Value(1, "HS_SERV", f"{at + 1}/S".encode()),) for at in range(100)}
    outcome = find(root, "0/X")
    assert (outcome.code, len(root.asked)) == (4, 64)
    assert "more than 64 servers" in outcome.err


def test_a_server_that_says_it_has_moved_is_looked_up_again_once(servers: Servers) -> None:
    root, leaf = servers
    for rc in (300, 301):
        leaf.refused[NAME] = rc
        root.asked.clear()
        find(root, NAME)
        assert root.names_asked().count("0.NA/88.118.8") == 2


def test_an_alias_is_followed_unless_its_index_is_asked_for(servers: Servers) -> None:
    root, leaf = servers
    leaf.records["88.118.8/OLD"] = (Value(5, "HS_ALIAS", NAME.encode()),)
    assert find(root, "88.118.8/OLD", "--index", "1").out == "88.118.8/OLD\n  1  URL  https://x\n"
    assert find(root, "88.118.8/OLD", "--index", "5").out == f"88.118.8/OLD\n  5  HS_ALIAS  {NAME}\n"


def test_a_record_below_a_prefix_record_is_the_roots(servers: Servers) -> None:
    root, _ = servers
    root.records["0.NA/88.118/NOTES"] = (Value(1, "NOTE", b"n"),)
    assert find(root, "0.NA/88.118/NOTES").out == "0.NA/88.118/NOTES\n  1  NOTE  n\n"


def test_a_prefix_nobody_knows_is_not_found(servers: Servers) -> None:
    outcome = find(servers[0], "88.999.1/X", "88.999.1/Y")
    assert (outcome.code, outcome.out) == (1, "")
    assert servers[0].names_asked() == ["0.NA/88.999.1", "0.NA/88.999", "0.NA/88", "88.999.1/X", "88.999.1/Y"]


def test_the_root_may_be_a_file_with_its_site_as_octets_or_json(servers: Servers, tmp_path: Path) -> None:
    root, _ = servers
    shown = site_to_json(root.site)
    forms = [root.site, json.dumps(shown).encode(), json.dumps([{"responseCode": 1, "site": shown}]).encode()]
    for form in forms:
        (tmp_path / "root").write_bytes(form)
        assert run_command("resolve", NAME, "--recursive", "--root", str(tmp_path / "root")).out == SHOWN
    for wrong in (b"\0\1", b"[]", b'{"servers": 1}', b'{"servers": []}', b"{"):
        (tmp_path / "root").write_bytes(wrong)
        assert run_command("resolve", NAME, "--recursive", "--root", str(tmp_path / "root")).code == 2


def test_recursion_needs_a_root_and_sends_no_proof_to_servers_that_others_chose(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    assert "--root" in run_command("resolve", NAME, "--recursive").err
    outcome = run_command(
        "resolve", NAME, "--recursive", "--root", "127.0.0.1:9", "--auth", "300:a/b", "--secret-file",
        str(tmp_path / "secret"),
    )  # fmt: skip
    assert outcome.code == 2
    assert "anonymously" in outcome.err
