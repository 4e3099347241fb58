"""`idnode handle …` against a stand-in: what is sent, who proves it how, and what failures look like."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from identifiers import sm2
from identifiers.handle_wire.codes import MINT_SUFFIX, OVERWRITE
from identifiers.handle_wire.keys import load_public_key, public_octets
from identifiers.handle_wire.requests import AddValue, CreateHandle, DeleteHandle, HomePrefix, ModifyValue, RemoveValue
from identifiers.octets import string
from identifiers.values import Reference, Value
from node.commands.passphrase import ask_passphrase
from tests.node_command import Outcome, run_command
from tests.stand_in_handle_server import StandInHandleServer

SECRET = "not to be seen"
WHO = "300:88.118.8/ADMIN"
PRIVATE = rsa.generate_private_key(65_537, 2_048)


@pytest.fixture
def server() -> Iterator[StandInHandleServer]:
    with StandInHandleServer() as running:
        yield running


@pytest.fixture
def secret(tmp_path: Path) -> list[str]:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    return ["--auth", WHO, "--secret-file", str(tmp_path / "secret")]


def handle(server: StandInHandleServer, *arguments: str, stdin: str | None = None) -> Outcome:
    return run_command("handle", *arguments, "--server", server.address, stdin=stdin)


def test_each_command_sends_its_operation_and_proves_the_secret(server: StandInHandleServer, secret: list[str]) -> None:
    server.secret = SECRET.encode()
    values = (Value(1, "URL", b"https://x/?a=b:c"), Value(2, "N", b""))
    given = ["--value", "2:N=", "--value", "1:URL=https://x/?a=b:c"]
    for arguments, request, said in [
        (["create", "88.118.8/P", *given], CreateHandle("88.118.8/P", values), "created 88.118.8/P\n"),
        (["delete", "88.118.8/P"], DeleteHandle("88.118.8/P"), "deleted 88.118.8/P\n"),
        (["add", "88.118.8/P", *given], AddValue("88.118.8/P", values), "changed 88.118.8/P\n"),
        (["modify", "88.118.8/P", *given], ModifyValue("88.118.8/P", values), "changed 88.118.8/P\n"),
        (["remove", "88.118.8/P", "1", "2"], RemoveValue("88.118.8/P", (1, 2)), "changed 88.118.8/P\n"),
        (["home", "88.118.8"], HomePrefix("88.118.8"), "homed 88.118.8\n"),
    ]:
        server.asked.clear()
        outcome = handle(server, *arguments, *secret)
        assert (outcome.code, outcome.out, outcome.err) == (0, said, "")
        assert server.asked[0] == ("tcp", request)
        assert len(server.asked) == 2


def test_overwriting_and_minting_are_flags_of_the_request(server: StandInHandleServer) -> None:
    handle(server, "create", "88.118.8/P")
    outcome = handle(server, "create", "88.118.8/P", "--overwrite", "--mint", "--json")
    assert outcome.out == '{"handle":"88.118.8/P","done":"created"}\n'
    both = OVERWRITE | MINT_SUFFIX
    assert [flags & both for flags in server.flags] == [0, both]


def test_values_are_read_from_a_file_or_standard_input(server: StandInHandleServer, tmp_path: Path) -> None:
    values = [{"index": 3, "type": "HS_VLIST", "data": {"format": "vlist", "value": [{"handle": "a/b", "index": 1}]}}]
    (tmp_path / "values.json").write_text(json.dumps({"values": values}))
    handle(server, "create", "88.118.8/P", "--values", str(tmp_path / "values.json"))
    handle(server, "create", "88.118.8/P", "--values", "-", "--value", "1:A=b", stdin=json.dumps(values))
    first, second = (request for _, request in server.asked)
    assert [value.type for value in first.values] == ["HS_VLIST"]
    assert [value.index for value in second.values] == [1, 3]


@pytest.mark.parametrize("form", ["PEM", "closed PEM", "DER", "classic"])
def test_a_private_key_proves_who_asks_in_each_form_of_its_file(
    server: StandInHandleServer, tmp_path: Path, form: str
) -> None:
    server.key = PRIVATE.public_key()
    (tmp_path / "password").write_text("opens it\n")
    sealed = BestAvailableEncryption(b"opens it") if form == "closed PEM" else NoEncryption()
    octets = PRIVATE.private_bytes(Encoding.DER if form == "DER" else Encoding.PEM, PrivateFormat.PKCS8, sealed)
    (tmp_path / "key").write_bytes(classic_form() if form == "classic" else octets)
    arguments = ["--auth", WHO, "--key-file", str(tmp_path / "key")]
    if form == "closed PEM":
        arguments += ["--key-password-file", str(tmp_path / "password")]
    outcome = handle(server, "delete", "88.118.8/P", *arguments)
    assert (outcome.code, outcome.out) == (0, "deleted 88.118.8/P\n")


def test_an_encrypted_key_is_opened_by_the_environment_or_at_a_terminal(
    server: StandInHandleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = PRIVATE.public_key()
    sealed = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"opens it"))
    (tmp_path / "key").write_bytes(sealed)
    command = ["handle", "delete", "88.118.8/P", "--server", server.address, "--auth", WHO]
    command += ["--key-file", str(tmp_path / "key")]
    opened = run_command(*command, environment={"IDNODE_HANDLE_KEY_PASSWORD": "opens it"})
    assert (opened.code, opened.out) == (0, "deleted 88.118.8/P\n")
    for environment, said in (({}, "IDNODE_HANDLE_KEY_PASSWORD"), ({"IDNODE_HANDLE_KEY_PASSWORD": "x"}, "not open")):
        refused = run_command(*command, environment=environment)
        assert (refused.code, said in refused.err) == (2, True), refused
    monkeypatch.setattr("node.commands.passphrase.sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"what was typed after {prompt!r}")
    assert ask_passphrase(Path("a.key")) == b"what was typed after 'Passphrase of a.key: '"


def test_an_sm2_key_proves_who_asks(server: StandInHandleServer, tmp_path: Path) -> None:
    private = sm2.generate()
    server.key = load_public_key(public_octets(private))
    pem = base64.encodebytes(private.to_der())
    (tmp_path / "key").write_bytes(b"-----BEGIN PRIVATE KEY-----\n" + pem + b"-----END PRIVATE KEY-----\n")
    outcome = handle(server, "delete", "88.118.8/P", "--auth", WHO, "--key-file", str(tmp_path / "key"))
    assert (outcome.code, outcome.out) == (0, "deleted 88.118.8/P\n")


def classic_form() -> bytes:
    numbers = PRIVATE.private_numbers()
    public = numbers.public_numbers
    parts = (public.n, public.e, numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    integers = [string(part.to_bytes(part.bit_length() // 8 + 1, "big")) for part in parts]
    return b"\0\0\0\1" + string(b"RSA_PRIVCRT_KEY") + b"\0\0" + b"".join(integers)


def test_a_wrong_secret_is_refused_and_shown_nowhere(server: StandInHandleServer, secret: list[str]) -> None:
    server.secret = b"another"
    outcome = handle(server, "delete", "88.118.8/P", *secret)
    assert (outcome.code, outcome.out) == (4, "")
    assert outcome.err == "idnode: the server does not accept the key [403]\n"
    assert "proof" not in repr(server.asked)


def test_without_a_key_the_challenge_is_explained(server: StandInHandleServer) -> None:
    server.secret = b"another"
    outcome = handle(server, "delete", "88.118.8/P")
    assert outcome.code == 4
    assert "--auth" in outcome.err


def test_what_exists_is_not_replaced_and_the_server_says_so(server: StandInHandleServer) -> None:
    server.refused["88.118.8/P"] = 101
    outcome = handle(server, "create", "88.118.8/P")
    assert (outcome.code, outcome.err) == (
        4,
        "idnode: the identifier exists already; --overwrite replaces it (no) [101]\n",
    )


def test_a_list_is_shown_part_by_part_and_an_empty_one_is_empty(server: StandInHandleServer) -> None:
    server.records = {f"88.118.8/N{number}": () for number in range(5)}
    assert handle(server, "list", "88.118.8").out == "".join(f"88.118.8/N{number}\n" for number in range(5))
    assert handle(server, "list", "88.118.9", "--json").out == ""


def test_a_change_is_sent_once_even_if_its_answer_is_lost(server: StandInHandleServer) -> None:
    server.closes_after_answer = True
    server.mangle = lambda message: message.__class__(
        message.envelope._replace(request_id=message.envelope.request_id ^ 1), message.header, message.content
    )
    outcome = handle(server, "create", "88.118.8/P")
    assert (outcome.code, len(server.asked)) == (4, 1)
    assert "closed the connection" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "88.118.8/P", "--value", "URL=x"], "INDEX:TYPE=DATA"),
        (["create", "88.118.8/P", "--value", "1:URL"], "INDEX:TYPE=DATA"),
        (["create", "88.118.8/P", "--value", "0:URL=x"], "no index"),
        (["create", "88.118.8/P", "--value", "1:A=x", "--value", "1:B=y"], "occurs twice"),
        (["create", "88.118.8/P", "--values", "nowhere.json"], "nowhere.json"),
        (["delete", "88.118.8/P", "--auth", WHO], "--key-file"),
        (["delete", "88.118.8/P", "--auth", "a/b", "--secret-file", "nowhere"], "INDEX:HANDLE"),
        (["delete", "88.118.8/P", "--auth", WHO, "--secret-file", "nowhere"], "nowhere"),
        (["delete", "88.118.8/P", "--key-file", "nowhere"], "--auth"),
        (["delete", "88.118.8/P", "--protocol", "http", "--url", "http://127.0.0.1:9", "--session"], "--session"),
        (["remove", "88.118.8/P"], "INDEX"),
        (["delete"], "NAME"),
    ],
)
def test_a_wrong_command_ends_with_2_before_anything_is_sent(
    server: StandInHandleServer, arguments: list[str], said: str
) -> None:
    outcome = handle(server, *arguments)
    assert (outcome.code, server.asked) == (2, [])
    assert said in outcome.err


def test_no_secret_goes_over_http_to_another_machine(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    outcome = run_command(
        "handle", "delete", "88.118.8/P", "--protocol", "http", "--url", "http://192.0.2.1", "--auth", WHO,
        "--secret-file", str(tmp_path / "secret"),
    )  # fmt: skip
    assert (outcome.code, SECRET in outcome.err) == (2, False)
    assert "https" in outcome.err


def test_a_key_file_that_is_none_is_a_wrong_command(server: StandInHandleServer, tmp_path: Path) -> None:
    for content in (b"", b"-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----\n", b"\0\0\0\1\0", b"x" * 70_000):
        (tmp_path / "key").write_bytes(content)
        outcome = handle(server, "delete", "88.118.8/P", "--auth", WHO, "--key-file", str(tmp_path / "key"))
        assert (outcome.code, server.asked) == (2, [])


def test_references_of_values_survive(server: StandInHandleServer, tmp_path: Path) -> None:
    value = {"index": 1, "type": "A", "data": "b", "references": [{"handle": "88.118.8/R", "index": 4}]}
    (tmp_path / "values.json").write_text(json.dumps([value]))
    handle(server, "add", "88.118.8/P", "--values", str(tmp_path / "values.json"))
    assert server.asked[0][1].values[0].references == (Reference("88.118.8/R", 4),)
